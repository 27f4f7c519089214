import { PromqlError } from '../promql/error.ts';
import { type EvaluateOptions, evaluateVector } from '../promql/evaluate.ts';
import { dropMetricName, type Labels, labelKey } from '../promql/labels.ts';
import type { SeriesStore } from '../promql/seriesStore.ts';
import type { Sample } from '../promql/value.ts';
import {
  type ActiveAlert,
  type AlertElement,
  type AlertStates,
  type AlertTransition,
  createAlertStates,
} from './alertState.ts';
import type { AlertingRule, RecordingRule, Rule } from './rule.ts';
import { parseRuleFile } from './ruleFile.ts';
import type { Template } from './template.ts';

/** How to evaluate a rule file. */
export interface AlertEvaluatorOptions extends EvaluateOptions {
  /** How errors name the file. Default: `rules`. */
  readonly file?: string;
  /** Interval of groups that state none, in milliseconds. Default: 15,000. */
  readonly defaultIntervalMs?: number;
}

/** Evaluates one rule file over one store. */
export interface AlertEvaluator {
  /** Every alerting rule, in the order of the file. */
  readonly rules: readonly AlertingRule[];
  /** The shortest interval of a group in milliseconds: calling `step` that often is enough. */
  readonly intervalMs: number;
  /**
   * Evaluates the groups that are due at `tMs` (never evaluated, or an interval ago), in the order of the file. Recording
   * rules and `ALERTS`, `ALERTS_FOR_STATE` are appended to the store at `tMs`. Gives what changed, in order.
   * Throws `RuleEvaluationError` when the data does not allow a rule's expression.
   */
  step(tMs: number, store: SeriesStore): AlertTransition[];
  /** The alerts that are pending or firing now, in the order of the file. */
  active(): readonly ActiveAlert[];
}

/** A rule's expression could not be evaluated on the data. */
export class RuleEvaluationError extends Error {
  override readonly name = 'RuleEvaluationError';
  readonly code = 'RULE_EVALUATION';
}

interface WrittenSeries {
  readonly name: string;
  readonly labels: Labels;
}

/** A rule with what it must remember between evaluations. */
interface LiveRule {
  readonly rule: Rule;
  readonly states?: AlertStates;
  /** Series written by the last evaluation: those that the next one does not write become stale. */
  written: Map<string, WrittenSeries>;
}

interface LiveGroup {
  readonly intervalMs: number;
  readonly rules: readonly LiveRule[];
  lastMs?: number;
}

/** Parses a Prometheus rule file and makes an evaluator of it. Throws `RuleFileError` with line and column. */
export function createAlertEvaluator(text: string, options: AlertEvaluatorOptions = {}): AlertEvaluator {
  const { file = 'rules', defaultIntervalMs = 15_000 } = options;
  const groups: LiveGroup[] = parseRuleFile(text, file).map((group) => ({
    intervalMs: group.intervalMs ?? defaultIntervalMs,
    rules: group.rules.map((rule) => ({
      rule,
      ...(rule.kind === 'alerting' && { states: createAlertStates(rule) }),
      written: new Map(),
    })),
  }));
  const rules = groups.flatMap((group) => group.rules);

  function evaluateRule(rule: Rule, store: SeriesStore, tMs: number): readonly Sample[] {
    try {
      return evaluateVector(rule.expr, store, tMs, options);
    } catch (error) {
      if (!(error instanceof PromqlError)) throw error;
      throw new RuleEvaluationError(`${file}:${rule.line}: rule \`${rule.name}\`: ${error.message}`, { cause: error });
    }
  }

  function stepRule(live: LiveRule, tMs: number, store: SeriesStore): AlertTransition[] {
    const { rule, states } = live;
    const samples = evaluateRule(rule, store, tMs);
    const written = new Map<string, WrittenSeries>();
    const write = (name: string, labels: Labels, value: number) => {
      const key = `${name} ${labelKey(labels)}`;
      if (written.has(key)) {
        throw new RuleEvaluationError(
          `${file}:${rule.line}: rule \`${rule.name}\` gives the series {${labelKey(labels)}} twice`,
        );
      }
      written.set(key, { name, labels });
      store.append(name, labels, tMs, value);
    };
    let changes: AlertTransition[] = [];
    if (rule.kind === 'recording') {
      for (const sample of samples) write(rule.name, recordedLabels(rule, sample), sample.value);
    } else if (states) {
      const elements = samples.map((sample) => alertElement(rule, sample));
      refuseTwins(rule, elements);
      changes = states.step(tMs, elements);
      for (const alert of states.active()) {
        write('ALERTS', { ...alert.labels, alertstate: alert.state }, 1);
        write('ALERTS_FOR_STATE', alert.labels, alert.pendingMs / 1_000);
      }
    }
    for (const [key, { name, labels }] of live.written) if (!written.has(key)) store.markStale(name, labels, tMs);
    live.written = written;
    return changes;
  }

  function refuseTwins(rule: Rule, elements: readonly AlertElement[]): void {
    const keys = new Set<string>();
    for (const { labels } of elements) {
      const key = labelKey(labels);
      if (keys.has(key)) {
        throw new RuleEvaluationError(
          `${file}:${rule.line}: rule \`${rule.name}\`: with its labels two elements are the same alert {${key}}`,
        );
      }
      keys.add(key);
    }
  }

  return {
    rules: rules.flatMap(({ rule }) => (rule.kind === 'alerting' ? [rule] : [])),
    intervalMs: groups.length === 0 ? defaultIntervalMs : Math.min(...groups.map((group) => group.intervalMs)),
    step(tMs, store) {
      const changes: AlertTransition[] = [];
      for (const group of groups) {
        if (group.lastMs !== undefined && tMs - group.lastMs < group.intervalMs) continue;
        group.lastMs = tMs;
        for (const live of group.rules) changes.push(...stepRule(live, tMs, store));
      }
      return changes;
    },
    active: () => rules.flatMap(({ states }) => states?.active() ?? []),
  };
}

function recordedLabels(rule: RecordingRule, { labels, value }: Sample): Labels {
  return withLabels(dropMetricName(labels), expandAll(rule.labels, value, labels));
}

function alertElement(rule: AlertingRule, { labels, value }: Sample): AlertElement {
  const own = expandAll(rule.labels, value, labels);
  return {
    labels: withLabels(dropMetricName(labels), { ...own, alertname: rule.name }),
    annotations: expandAll(rule.annotations, value, labels),
    value,
  };
}

/** The labels of `over` win; an empty one removes. */
function withLabels(under: Labels, over: Labels): Labels {
  const merged = Object.entries({ ...under, ...over }).filter(([, value]) => value !== '');
  return Object.fromEntries(merged.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function expandAll(
  templates: Readonly<Record<string, Template>>,
  value: number,
  labels: Labels,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(templates).map(([name, template]) => [name, template.expand({ value, labels })]),
  );
}
