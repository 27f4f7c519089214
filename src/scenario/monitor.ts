import { createAlertEvaluator } from './alerts/alertEvaluator.ts';
import type { AlertTransition } from './alerts/alertState.ts';
import { evaluate } from './promql/evaluate.ts';
import { labelKey } from './promql/labels.ts';
import type { SeriesStore } from './promql/seriesStore.ts';
import type { AlertLogEntry } from './runRecord.ts';
import type { Signals } from './signals.ts';
import type { Timeline } from './timeline.ts';

/** The alerts of a run. */
export interface Monitor {
  /** Every alert that became pending, in that order. */
  readonly alerts: readonly AlertLogEntry[];
  /** Evaluates the rules now. */
  step(atMs: number): void;
  firing(name: string): boolean;
}

type OpenAlert = { -readonly [Key in keyof AlertLogEntry]: AlertLogEntry[Key] };

/** Evaluates the rule file over the store, writes the timeline and tells those who wait for an alert. */
export function createMonitor(
  rules: string,
  file: string,
  store: SeriesStore,
  timeline: Timeline,
  signals: Signals,
): Monitor {
  const evaluator = createAlertEvaluator(rules, { file });
  const alerts: OpenAlert[] = [];
  const open = new Map<string, OpenAlert>();

  function entryOf(change: AlertTransition): OpenAlert {
    const key = `${change.rule.name} ${labelKey(change.labels)}`;
    const known = open.get(key);
    if (known !== undefined) return known;
    const entry: OpenAlert = {
      name: change.rule.name,
      labels: change.labels,
      annotations: change.annotations,
      expr: change.rule.expr.source,
      forMs: change.rule.forMs,
      severity: change.labels.severity ?? 'none',
      pendingMs: change.pendingMs,
    };
    open.set(key, entry);
    alerts.push(entry);
    return entry;
  }

  function tell(change: AlertTransition): void {
    const entry = entryOf(change);
    const { name } = change.rule;
    const where = change.labels.instance === undefined ? '' : ` on ${change.labels.instance}`;
    const data = { labels: change.labels, annotations: change.annotations, value: change.value };
    if (change.state === 'pending') {
      timeline.add('alert-pending', `${name} pending${where}`, undefined, data);
    } else if (change.state === 'firing') {
      entry.firingMs = change.firingMs ?? change.atMs;
      entry.annotations = change.annotations;
      timeline.add('alert-firing', `${name} fires${where}`, undefined, data);
      signals.emit({ kind: 'alert', name, change: 'fires' });
    } else {
      entry.resolvedMs = change.atMs;
      open.delete(`${name} ${labelKey(change.labels)}`);
      if (entry.firingMs === undefined) {
        timeline.add('note', `${name} no longer pending${where}: it did not fire`, undefined, data);
        return;
      }
      timeline.add('alert-resolved', `${name} resolved${where}`, undefined, data);
      signals.emit({ kind: 'alert', name, change: 'resolves' });
    }
  }

  return {
    alerts,
    step: (atMs) => evaluator.step(atMs, store).forEach(tell),
    firing: (name) => evaluator.active().some((alert) => alert.rule.name === name && alert.state === 'firing'),
  };
}

/** Whether an expression gives a result at a time: a vector with elements, or a scalar other than 0. */
export function holdsAt(
  expr: string,
  store: SeriesStore,
  atMs: number,
): { readonly holds: boolean; readonly seen: string } {
  const value = evaluate(expr, store, atMs);
  if (value.type === 'scalar') return { holds: value.value !== 0, seen: String(value.value) };
  if (value.type !== 'vector') return { holds: false, seen: `a ${value.type}, expected a vector` };
  const shown = value.samples.slice(0, 3).map((sample) => String(Number(sample.value.toPrecision(4))));
  return { holds: value.samples.length > 0, seen: shown.length === 0 ? 'no result' : shown.join(', ') };
}
