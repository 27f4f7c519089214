import type { AlertLogEntry, FaultLogEntry, RunRecord, TimelineEntry, Verdict } from '../scenario/runRecord.ts';
import { formatClock, formatSpan } from './formatTime.ts';
import { responseTimes } from './responseTimes.ts';
import { moreLikeIt, violationCount } from './violationCount.ts';

/** One sentence of the story, with its moment. */
export interface StoryStep {
  readonly atMs: number;
  readonly kind: 'begin' | 'load' | 'fault' | 'alert' | 'operator' | 'process' | 'recovery' | 'violation' | 'end';
  /** What happened, in a few words. */
  readonly title: string;
  /** What it means; may be empty. */
  readonly detail: string;
}

/** A question that a reader has first, and its answer. */
export interface StoryAnswer {
  readonly question: string;
  readonly answer: string;
}

/** The incident as a newcomer can read it. */
export interface Story {
  /** The verdict in one sentence. */
  readonly headline: string;
  /** Why, one sentence for each cause; empty when everything held. */
  readonly reasons: readonly string[];
  /** What happened, how it was noticed, what was done, how it ended: each in a sentence or two. */
  readonly summary: readonly StoryAnswer[];
  readonly steps: readonly StoryStep[];
}

const HEADLINES: Readonly<Record<Verdict, string>> = {
  held: 'Everything that was expected came true.',
  violated: 'Something that must hold did not.',
  undecided: 'The run ended without an answer.',
};

/** More steps than this are left to the timeline: a story that long is none. */
const STEPS_MAX = 40;

/** Tells the run from its faults, alerts, operator actions, crashes and violations. */
export function tellStory(record: RunRecord): Story {
  const steps = [
    { atMs: 0, kind: 'begin' as const, title: 'The run begins', detail: describeCluster(record) },
    ...record.faults.flatMap(faultSteps),
    ...record.alerts.flatMap((alert) => alertSteps(alert, record.faults)),
    ...record.timeline.flatMap(otherSteps),
    ...violationSteps(record),
    { atMs: record.virtualMs, kind: 'end' as const, title: 'The run ends', detail: describeOperations(record) },
  ].sort((a, b) => a.atMs - b.atMs);
  return {
    headline: `${HEADLINES[record.verdict]}${plantedSentence(record)}`,
    reasons: gatherReasons(record),
    summary: summarize(record),
    steps: shorten(steps),
  };
}

/** A run with a planted bug is no incident of the engine: whoever reads of it has to know first. */
function plantedSentence({ mutants = [] }: RunRecord): string {
  if (mutants.length === 0) return '';
  return ` The ${mutants.length === 1 ? 'bug' : 'bugs'} ${list(mutants)} had been planted in the engine.`;
}

/** The run's title, with the bugs that were planted for it. */
export function titleWithPlanted({ title, mutants = [] }: RunRecord): string {
  return mutants.length === 0 ? title : `${title}, with the planted bug ${mutants.join(', ')}`;
}

function describeCluster({ engine, nodes }: RunRecord): string {
  const count = (role: 'engine' | 'client') => nodes.filter((node) => node.role === role).length;
  const engines = count('engine');
  const clients = count('client');
  return `${engines} ${engine} ${engines === 1 ? 'node' : 'nodes'}, ${clients} ${clients === 1 ? 'client' : 'clients'}`;
}

function describeOperations({ operations }: RunRecord): string {
  const { total, ok, fail, info } = operations;
  if (total === 0) return 'No client sent anything.';
  const parts = [`${number(ok)} succeeded`];
  if (fail > 0) parts.push(`${number(fail)} were refused`);
  if (info > 0) parts.push(`${number(info)} ended unknown (no answer, or one that leaves it open)`);
  return `Clients sent ${number(total)} operations: ${parts.join(', ')}.`;
}

function faultSteps(fault: FaultLogEntry): StoryStep[] {
  const where = fault.nodes.length > 0 ? `Fault ${fault.name} on ${fault.nodes.join(', ')}.` : `Fault ${fault.name}.`;
  const begin: StoryStep = { atMs: fault.startMs, kind: 'fault', title: capital(fault.text), detail: where };
  if (fault.endMs === undefined) return [begin];
  const lasted = `After ${formatSpan(fault.endMs - fault.startMs)}: ${fault.text}.`;
  return [begin, { atMs: fault.endMs, kind: 'recovery', title: `${fault.name} is healed`, detail: lasted }];
}

function alertSteps(alert: AlertLogEntry, faults: readonly FaultLogEntry[]): StoryStep[] {
  if (alert.firingMs === undefined) return [];
  const cause = lastBefore(faults, alert.pendingMs);
  const after = cause ? `, ${formatSpan(alert.firingMs - cause.startMs)} after ${cause.name} began` : '';
  const fires: StoryStep = {
    atMs: alert.firingMs,
    kind: 'alert',
    title: `Alert ${alert.name} fires (${alert.severity})${after}`,
    detail: alert.annotations.description ?? alert.annotations.summary ?? alert.expr,
  };
  if (alert.resolvedMs === undefined) return [fires];
  const lasted = `It fired for ${formatSpan(alert.resolvedMs - alert.firingMs)}.`;
  return [
    fires,
    { atMs: alert.resolvedMs, kind: 'recovery', title: `Alert ${alert.name} is resolved`, detail: lasted },
  ];
}

/** One step a check, at its first violation: a check that fails fails often. */
function violationSteps({ violations, virtualMs }: RunRecord): StoryStep[] {
  const byCheck = Map.groupBy(violations, (violation) => violation.check);
  return [...byCheck.values()].flatMap((all): StoryStep[] => {
    const first = all.reduce((a, b) => ((b.atMs ?? virtualMs) < (a.atMs ?? virtualMs) ? b : a));
    const more = all.length > 1 ? ` (the first of ${violationCount(all)})` : '';
    return [
      {
        atMs: first.atMs ?? virtualMs,
        kind: 'violation',
        title: `${first.check} is violated${more}`,
        detail: first.message,
      },
    ];
  });
}

/** Reasons that are told beside those of the checks. */
const OTHER_REASONS_MAX = 10;

/** One reason for each check that was violated, then whatever else was: a check stands among the expectations too. */
function gatherReasons({ reasons, violations }: RunRecord): string[] {
  const byCheck = Map.groupBy(violations, ({ check }) => check);
  const own = [...byCheck].map(([check, all]) => {
    return `${check}: ${all[0]?.message ?? ''}${moreLikeIt(all)}`;
  });
  const told = [...byCheck.keys()].flatMap((check) => [`${check}: `, `violated: ${check.replace(/^C\d+ /, '')} (`]);
  const others = reasons.filter((reason) => !told.some((start) => reason.startsWith(start)));
  const more = others.length - OTHER_REASONS_MAX;
  return [...own, ...others.slice(0, OTHER_REASONS_MAX), ...(more > 0 ? [`and ${number(more)} more`] : [])];
}

function otherSteps(entry: TimelineEntry): StoryStep[] {
  if (entry.kind === 'operator') {
    return [{ atMs: entry.atMs, kind: 'operator', title: 'The operator acts', detail: command(entry) }];
  }
  if (entry.kind === 'load') return [{ atMs: entry.atMs, kind: 'load', title: capital(entry.text), detail: '' }];
  if (entry.kind === 'crash' || entry.kind === 'exit') {
    return [{ atMs: entry.atMs, kind: 'process', title: capital(entry.text), detail: '' }];
  }
  return [];
}

function lastBefore(faults: readonly FaultLogEntry[], atMs: number): FaultLogEntry | undefined {
  let last: FaultLogEntry | undefined;
  for (const fault of faults) {
    if (fault.startMs <= atMs && (last === undefined || fault.startMs >= last.startMs)) last = fault;
  }
  return last;
}

function summarize(record: RunRecord): StoryAnswer[] {
  const fired = record.alerts.filter((alert) => alert.firingMs !== undefined);
  const operators = record.timeline.filter((entry) => entry.kind === 'operator');
  const crashes = record.timeline.filter((entry) => entry.kind === 'crash').length;
  const answers = [
    { question: 'What went wrong', answer: faultSentence(record) },
    { question: 'How it was noticed', answer: alertSentence(fired, record.faults) },
    { question: 'What the operator did', answer: operatorSentence(operators) },
    { question: 'What the clients saw', answer: [describeOperations(record), ...slowerSentence(record)].join(' ') },
    { question: 'How it ended', answer: endSentence(fired, crashes, record) },
  ];
  return answers.filter(({ answer }) => answer !== '');
}

/** Slower by less than this factor is no incident of latency. */
const slowerFactor = 2;

/** Whether successful operations were slower from the trigger on, by the worst 99th percentile of a window; empty if not. */
export function slowerSentence(record: RunRecord): string[] {
  const from = responseTimes(record).trigger?.startMs;
  if (from === undefined) return [];
  const answered = record.operations.windows.filter(({ ok }) => ok > 0);
  const before = Math.max(...answered.filter(({ toMs }) => toMs <= from).map(({ p99Ms }) => p99Ms));
  const after = Math.max(...answered.filter(({ fromMs }) => fromMs >= from).map(({ p99Ms }) => p99Ms));
  if (!(before > 0 && after >= slowerFactor * before)) return [];
  return [`The worst p99 of those that succeeded rose from ${formatSpan(before)} to ${formatSpan(after)}.`];
}

function endSentence(fired: readonly AlertLogEntry[], crashes: number, { alerts, violations }: RunRecord): string {
  const pending = alerts.filter(({ firingMs, resolvedMs }) => firingMs === undefined && resolvedMs === undefined);
  const open = fired.filter((alert) => alert.resolvedMs === undefined);
  const last = Math.max(...fired.map((alert) => alert.resolvedMs ?? 0));
  const sentences = [
    crashes > 0 ? `${number(crashes)} ${crashes === 1 ? 'process' : 'processes'} crashed.` : '',
    open.length > 0
      ? `${list([...new Set(open.map((alert) => alert.name))])} still fired at the end.`
      : fired.length > 0
        ? `Every alert that fired was resolved, the last at ${formatClock(last)}.`
        : '',
    pending.length > 0
      ? `Not yet fired, still pending at the end: ${list([...new Set(pending.map(({ name }) => name))])}.`
      : '',
    violations.length > 0
      ? `${violationCount(violations)} ${violations.length === 1 ? 'thing' : 'things'} that must hold did not.`
      : 'Nothing that must hold was violated.',
  ];
  return sentences.filter((sentence) => sentence !== '').join(' ');
}

function faultSentence(record: RunRecord): string {
  const { faults } = record;
  const [first] = faults;
  if (!first) {
    const { trigger } = responseTimes(record);
    if (trigger?.kind !== 'operator') return 'No fault was injected.';
    return `No fault was injected; what came before the first trouble was the operator's \`${trigger.command}\`, at ${formatClock(trigger.startMs)}.`;
  }
  const lasted = first.endMs === undefined ? '' : `, for ${formatSpan(first.endMs - first.startMs)}`;
  const more =
    faults.length > 1 ? ` ${number(faults.length - 1)} more ${faults.length === 2 ? 'fault' : 'faults'} followed.` : '';
  return `${formatSpan(first.startMs)} into the run a fault began: ${first.text}${lasted}.${more}`;
}

function alertSentence(fired: readonly AlertLogEntry[], faults: readonly FaultLogEntry[]): string {
  const first = [...fired].sort((a, b) => (a.firingMs ?? 0) - (b.firingMs ?? 0))[0];
  if (first?.firingMs === undefined) return faults.length > 0 ? 'No alert fired.' : '';
  const cause = lastBefore(faults, first.pendingMs);
  const when = cause
    ? `${formatSpan(first.firingMs - cause.startMs)} after ${cause.name} began`
    : `at ${formatSpan(first.firingMs)}`;
  const others = [...new Set(fired.map((alert) => alert.name))].filter((name) => name !== first.name);
  const more = others.length > 0 ? `, later ${list(others)}` : '';
  return `The alert ${first.name} fired ${when}${more}.`;
}

function operatorSentence(operators: readonly TimelineEntry[]): string {
  if (operators.length === 0) return '';
  const commands = operators.slice(0, 3).map((entry) => `At ${formatClock(entry.atMs)}: ${command(entry)}.`);
  const more = operators.length - commands.length;
  return `${commands.join(' ')}${more > 0 ? ` And ${number(more)} more.` : ''}`;
}

/** Keeps the beginning and the end of a story that is too long, and says what is missing. */
function shorten(steps: readonly StoryStep[]): StoryStep[] {
  if (steps.length <= STEPS_MAX) return [...steps];
  const head = steps.slice(0, STEPS_MAX - 10);
  const tail = steps.slice(-9);
  const missing = steps.length - head.length - tail.length;
  const between: StoryStep = {
    atMs: head.at(-1)?.atMs ?? 0,
    kind: 'process',
    title: `… ${number(missing)} more`,
    detail: 'They are in the timeline.',
  };
  return [...head, between, ...tail];
}

/** The command of an operator's line, which begins with `operator:`. */
function command({ text }: TimelineEntry): string {
  return text.replace(/^operator:\s*/, '');
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function list(names: readonly string[]): string {
  return names.length <= 1 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
