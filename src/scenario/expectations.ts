import type { Operation } from '../checkers/history.ts';
import { formatDuration } from '../faults/units.ts';
import { longestGap } from './longestGap.ts';
import { holdsAt } from './monitor.ts';
import type { SeriesStore } from './promql/seriesStore.ts';
import type { AlertLogEntry, ExpectationResult } from './runRecord.ts';
import type { Scenario } from './scenario.ts';
import type { AlertExpectation, ExitExpectation, LogExpectation, OperationsExpectation } from './schema.ts';
import type { NodeExit } from './stands/stand.ts';
import type { StepRun } from './stepRunner.ts';
import type { GapExpectation, MetricExpectation, Moment, Point } from './words.ts';

/** What a run left, as far as expectations look at it. */
export interface Facts {
  readonly store: SeriesStore;
  /** Times at which metrics are looked at: each evaluation of the rules, ascending. */
  readonly ticks: readonly number[];
  readonly alerts: readonly AlertLogEntry[];
  readonly steps: ReadonlyMap<string, StepRun>;
  readonly exits: readonly (NodeExit & { readonly node: string })[];
  /** Per log expectation, by its position: when lines with its text came. */
  readonly logTimes: readonly (readonly number[])[];
  readonly operations: readonly Operation[];
  /** Parts of the service that an operation wrote to. Undefined: all of it is one. */
  readonly partsWritten: ((operation: Operation) => readonly string[]) | undefined;
  /** When the timeline's part of the run ended: `end` in expectations. */
  readonly endMs: number;
  /** When everything ended, `finally` included. */
  readonly lastMs: number;
}

const held = (text: string, detail: string): ExpectationResult => ({ text, outcome: 'held', detail });
const violated = (text: string, detail: string): ExpectationResult => ({ text, outcome: 'violated', detail });

const at = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

/** When a step began or ended; a word of why if it did not. */
function edgeOf(facts: Facts, step: string, edge: 'start' | 'end'): number | string {
  const run = facts.steps.get(step);
  if (run?.startMs === undefined) return `step ${step} never happened`;
  if (edge === 'start') return run.startMs;
  // What was never healed lasted until the end of the timeline.
  return run.endMs ?? facts.endMs;
}

function momentOf(facts: Facts, moment: Moment, edge: 'start' | 'end'): number | string {
  if (moment.step === undefined) return moment.ms;
  const base = edgeOf(facts, moment.step, edge);
  return typeof base === 'string' ? base : base + moment.ms;
}

function pointOf(facts: Facts, point: Point): number | string {
  if (point.kind === 'end') return facts.endMs;
  if (point.kind === 'time') return point.ms;
  const base = edgeOf(facts, point.step, point.edge);
  return typeof base === 'string' ? base : base + point.ms;
}

function wordOf(moment: Moment): string {
  return `${formatDuration(moment.ms)}${moment.step === undefined ? '' : ` of ${moment.step}`}`;
}

/** One result for each demand that is made of an alert. */
export function judgeAlert(expected: AlertExpectation, facts: Facts): ExpectationResult[] {
  const { name, labels } = expected;
  const matching = facts.alerts.filter(
    (alert) =>
      alert.name === name &&
      alert.firingMs !== undefined &&
      Object.entries(labels ?? {}).every(([label, value]) => alert.labels[label] === value),
  );
  const firings = matching.flatMap((alert) => alert.firingMs ?? []);
  const shown = firings.length === 0 ? 'it never fired' : `fired at ${firings.map(at).join(', ')}`;
  const results: ExpectationResult[] = [];

  if (expected.never === true) {
    results.push((firings.length === 0 ? held : violated)(`${name} never fires`, shown));
  }
  if (expected.times !== undefined) {
    results.push(
      (firings.length === expected.times ? held : violated)(
        `${name} fires ${expected.times === 1 ? 'once' : `${expected.times} times`}`,
        shown,
      ),
    );
  }
  const within = expected['fires within'];
  if (within !== undefined) {
    const text = `${name} fires within ${wordOf(within)}`;
    const from = momentOf(facts, { ...within, ms: 0 }, 'start');
    const to = momentOf(facts, within, 'start');
    if (typeof from === 'string' || typeof to === 'string') results.push(violated(text, String(to)));
    else
      results.push((firings.some((ms) => ms >= from && ms <= to) ? held : violated)(text, `${shown}; bound ${at(to)}`));
  }
  const after = expected['fires after'];
  if (after !== undefined) {
    const text = `${name} does not fire before ${wordOf(after)}`;
    const from = momentOf(facts, { ...after, ms: 0 }, 'start');
    const to = momentOf(facts, after, 'start');
    if (typeof from === 'string' || typeof to === 'string') results.push(violated(text, String(to)));
    else results.push((firings.some((ms) => ms >= from && ms < to) ? violated : held)(text, shown));
  }
  const resolves = expected['resolves within'];
  if (resolves !== undefined) results.push(judgeResolved(name, resolves, matching, facts));
  return results;
}

function judgeResolved(name: string, bound: Moment, alerts: readonly AlertLogEntry[], facts: Facts): ExpectationResult {
  const text = `${name} resolves within ${wordOf(bound)}`;
  const limit = momentOf(facts, bound, 'end');
  if (typeof limit === 'string') return violated(text, limit);
  if (alerts.length === 0) return violated(text, 'it never fired');
  const open = alerts.filter((alert) => alert.resolvedMs === undefined || alert.resolvedMs > limit);
  const shown = alerts.map((alert) => (alert.resolvedMs === undefined ? 'never' : at(alert.resolvedMs))).join(', ');
  return (open.length === 0 ? held : violated)(text, `resolved at ${shown}; bound ${at(limit)}`);
}

/** Evaluates the expression at every look within its window. A window without a look decides nothing. */
export function judgeMetric(expected: MetricExpectation, facts: Facts): ExpectationResult {
  const { text, expr, quantifier } = expected;
  const from = pointOf(facts, expected.from);
  const to = pointOf(facts, expected.to);
  if (typeof from === 'string') return violated(text, from);
  if (typeof to === 'string') return violated(text, to);
  if (to > facts.lastMs) return violated(text, `the run ended at ${at(facts.lastMs)}, before ${at(to)}`);
  // A point is looked at itself, not at the last tick: a step's own moment counts.
  const looks = from === to ? [from] : facts.ticks.filter((tick) => tick >= from && tick <= to);
  if (looks.length === 0) return { text, outcome: 'undecided', detail: `no scrape between ${at(from)} and ${at(to)}` };
  const seen = looks.map((tick) => ({ tick, ...holdsAt(expr, facts.store, tick) }));
  if (quantifier === 'ever') {
    const found = seen.find((look) => look.holds);
    return found === undefined
      ? violated(text, looks.length === 1 ? 'not at the one look' : `at none of ${looks.length} looks`)
      : held(text, `${found.seen} at ${at(found.tick)}`);
  }
  const missing = seen.find((look) => !look.holds);
  return missing === undefined
    ? held(text, `${seen.at(-1)?.seen} (${looks.length} ${looks.length === 1 ? 'look' : 'looks'})`)
    : violated(text, `${missing.seen} at ${at(missing.tick)}`);
}

/** What was logged, and when. */
export function judgeLog(expected: LogExpectation, index: number, facts: Facts): ExpectationResult {
  const where = expected.node === undefined ? '' : ` on ${expected.node}`;
  const times = facts.logTimes[index] ?? [];
  const shown = times[0] === undefined ? 'it never came' : `first at ${at(times[0])}`;
  if (expected.never === true) {
    return (times.length === 0 ? held : violated)(`never logged${where}: ${expected.text}`, shown);
  }
  if (expected.within === undefined)
    return (times.length > 0 ? held : violated)(`logged${where}: ${expected.text}`, shown);
  const text = `logged${where} within ${wordOf(expected.within)}: ${expected.text}`;
  const from = momentOf(facts, { ...expected.within, ms: 0 }, 'start');
  const to = momentOf(facts, expected.within, 'start');
  if (typeof from === 'string' || typeof to === 'string') return violated(text, String(to));
  return (times.some((ms) => ms >= from && ms <= to) ? held : violated)(text, shown);
}

/** Processes that ended by themselves: those that were expected, and that there were no others. */
export function judgeExits(expected: readonly ExitExpectation[], facts: Facts): ExpectationResult[] {
  const matches = (want: ExitExpectation, exit: Facts['exits'][number]) =>
    exit.code === want.code &&
    (want.node === undefined || want.node === exit.node) &&
    (want.name === undefined || want.name === exit.name) &&
    (want.contains === undefined || exit.message.includes(want.contains));
  const describe = (exit: Facts['exits'][number]) =>
    `${exit.node} with ${exit.code} (${exit.name}: ${exit.message}) at ${at(exit.atMs)}`;
  const all = facts.exits.map(describe).join('; ') || 'no process ended by itself';
  const needed = expected.filter((want) => want.optional !== true);
  const results = needed.map((want) => {
    const words = [want.node ?? 'a node', `exits with ${want.code}`, want.name ?? '', want.contains ?? ''];
    const text = words.filter((word) => word !== '').join(' ');
    const found = facts.exits.find((exit) => matches(want, exit));
    return found === undefined ? violated(text, all) : held(text, describe(found));
  });
  const other = facts.exits.filter((exit) => exit.code !== 0 && !expected.some((want) => matches(want, exit)));
  if (other.length > 0) results.push(violated('no other process ends by itself', other.map(describe).join('; ')));
  return results;
}

/** What the clients saw. */
export function judgeOperations(expected: OperationsExpectation, facts: Facts): ExpectationResult[] {
  const counts = new Map<string, number>();
  for (const { error } of facts.operations)
    if (error !== undefined) counts.set(error.code, (counts.get(error.code) ?? 0) + 1);
  const shown = [...counts].map(([code, count]) => `${code} × ${count}`).join(', ') || 'no errors';
  const results: ExpectationResult[] = [];
  const only = expected['only errors'];
  if (only !== undefined) {
    const strange = [...counts.keys()].filter((code) => !only.includes(code));
    results.push(
      (strange.length === 0 ? held : violated)(
        only.length === 0 ? 'clients see no errors' : `clients see no errors but ${only.join(', ')}`,
        shown,
      ),
    );
  }
  for (const code of expected.errors ?? []) {
    results.push((counts.has(code) ? held : violated)(`clients see ${code}`, shown));
  }
  const least = expected['ok at least'];
  if (least !== undefined) {
    const ok = facts.operations.filter((operation) => operation.outcome === 'ok').length;
    results.push((ok >= least ? held : violated)(`at least ${least} operations succeed`, `${ok} did`));
  }
  const gap = expected['longest gap'];
  if (gap !== undefined) results.push(judgeGap(gap, facts));
  return results;
}

function judgeGap({ text: words, ms, from, to }: GapExpectation, facts: Facts): ExpectationResult {
  const text = `no part without a write for longer than ${words}`;
  const [fromMs, toMs] = [pointOf(facts, from), pointOf(facts, to)];
  if (typeof fromMs === 'string') return violated(text, fromMs);
  if (typeof toMs === 'string') return violated(text, toMs);
  const { operations, partsWritten } = facts;
  const longest = longestGap({ operations, fromMs, toMs, ...(partsWritten === undefined ? {} : { partsWritten }) });
  if (longest === undefined) return { text, outcome: 'undecided', detail: `nothing was written before ${at(fromMs)}` };
  const { part, gapMs, endedMs, parts } = longest;
  const shown = `${part === '' ? '' : `${part}, `}${(gapMs / 1000).toFixed(2)} s until ${at(endedMs)}; ${parts} ${parts === 1 ? 'part' : 'parts'}`;
  return (gapMs <= ms ? held : violated)(text, shown);
}

/** Judges all that a scenario expects, in the order of its file: steady state, alerts, metrics, logs, exits, operations. */
export function judgeAll(scenario: Scenario, facts: Facts): ExpectationResult[] {
  const { expect, steadyState } = scenario;
  const first = Math.min(
    ...[...facts.steps.values()].flatMap((run) => (run.step.kind === 'load' ? [] : (run.startMs ?? []))),
  );
  const steadyMs = Math.min(steadyState?.withinMs ?? 0, first);
  const before = (steadyState?.metrics ?? []).map((expr): ExpectationResult => {
    const { holds, seen } = holdsAt(expr, facts.store, steadyMs);
    return { text: `steady state before the first fault: ${expr}`, outcome: holds ? 'held' : 'violated', detail: seen };
  });
  return [
    ...before,
    ...expect.alerts.flatMap((alert) => judgeAlert(alert, facts)),
    ...expect.metrics.map((metric) => judgeMetric(metric, facts)),
    ...expect.logs.map((log, index) => judgeLog(log, index, facts)),
    ...judgeExits(expect.exits, facts),
    ...(expect.operations === undefined ? [] : judgeOperations(expect.operations, facts)),
  ];
}
