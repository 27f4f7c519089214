import { type Labels, labelKey } from '../promql/labels.ts';
import type { AlertingRule } from './rule.ts';

/** An alert as it is now. */
export interface ActiveAlert {
  readonly rule: AlertingRule;
  /** Labels of the element, with those of the rule over them and `alertname`. */
  readonly labels: Labels;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: 'pending' | 'firing';
  /** Value of the element when it was last there. */
  readonly value: number;
  /** When the element appeared, in milliseconds of the store's clock. */
  readonly pendingMs: number;
  /** When it began to fire; undefined while it is pending. */
  readonly firingMs?: number;
}

/**
 * A change of an alert. `resolved` ends the life of every alert; one without `firingMs` never fired.
 * An alert whose rule has no `for` fires without having been pending: one transition, with equal times.
 */
export interface AlertTransition extends Omit<ActiveAlert, 'state'> {
  readonly state: 'pending' | 'firing' | 'resolved';
  /** When this happened, in milliseconds of the store's clock. */
  readonly atMs: number;
}

/** One element of a rule's result, as an alert. */
export type AlertElement = Pick<ActiveAlert, 'labels' | 'annotations' | 'value'>;

interface Life extends ActiveAlert {
  /** Since when a firing alert has had no element; undefined while it has one. */
  readonly keptSinceMs?: number;
}

/** The alerts of one rule over time, by the life cycle of Prometheus' AlertingRule.Eval. */
export interface AlertStates {
  /** Takes the elements of one evaluation and gives what changed. */
  step(tMs: number, elements: readonly AlertElement[]): AlertTransition[];
  active(): readonly ActiveAlert[];
}

/** An empty set of alerts for this rule. */
export function createAlertStates(rule: AlertingRule): AlertStates {
  const lives = new Map<string, Life>();

  function transition(life: ActiveAlert, state: AlertTransition['state'], atMs: number): AlertTransition {
    const { labels, annotations, value, pendingMs, firingMs } = life;
    return { rule, labels, annotations, value, pendingMs, ...(firingMs !== undefined && { firingMs }), state, atMs };
  }

  return {
    step(tMs, elements) {
      const changes: AlertTransition[] = [];
      const present = new Set<string>();
      for (const element of elements) {
        const key = labelKey(element.labels);
        present.add(key);
        const known = lives.get(key);
        let life: Life = {
          rule,
          ...element,
          state: known?.state ?? 'pending',
          pendingMs: known?.pendingMs ?? tMs,
          ...(known?.firingMs !== undefined && { firingMs: known.firingMs }),
        };
        const isDue = life.state === 'pending' && tMs - life.pendingMs >= rule.forMs;
        if (isDue) {
          life = { ...life, state: 'firing', firingMs: tMs };
          changes.push(transition(life, 'firing', tMs));
        } else if (!known) {
          changes.push(transition(life, 'pending', tMs));
        }
        lives.set(key, life);
      }
      for (const [key, life] of lives) {
        if (present.has(key)) continue;
        const keptSinceMs = life.keptSinceMs ?? tMs;
        if (life.state === 'firing' && tMs - keptSinceMs < rule.keepFiringForMs) {
          lives.set(key, { ...life, keptSinceMs });
          continue;
        }
        lives.delete(key);
        changes.push(transition(life, 'resolved', tMs));
      }
      return changes;
    },
    active: () => [...lives.values()],
  };
}
