import type { Operation, Violation } from '../checkers/history.ts';
import type { FaultLogEntry, RunRecord, TimelineEntry } from '../scenario/runRecord.ts';
import { formatMoment } from './formatTime.ts';

/** A fault that may have provoked what went wrong. */
export interface Suspect {
  /** Number in the fault log. */
  readonly id: number;
  readonly name: string;
  readonly text: string;
  /** The part of the run in which it was felt; a moment for one that leaves nothing to heal. */
  readonly fromMs: number;
  readonly toMs: number;
  /** It hit the node that is blamed, or nobody's in particular. */
  readonly isOnNode: boolean;
}

/** The stretch of a run in which a check's first violation came about, and what was there. */
export interface Guilt {
  /** The check, or the expectation that no check explains. */
  readonly check: string;
  readonly node?: string;
  /** The last moment at which all was shown to be well, and the first at which it was seen broken. */
  readonly fromMs: number;
  readonly toMs: number;
  /** How the beginning is known: `shown` by the check, the `operation`s that it names, or `none`: it is that of the run. */
  readonly since: 'shown' | 'operation' | 'none';
  /** Faults that were felt in it: those on the blamed node first, then those that began in it, in order. */
  readonly faults: readonly Suspect[];
  /** The last fault before it, when there was none in it. */
  readonly before?: Suspect;
  /** Crashes, starts, ends and operator's actions in it, on that node where one is blamed. */
  readonly states: readonly { readonly atMs: number; readonly node?: string; readonly text: string }[];
  /** Operations that show it. */
  readonly operations: readonly number[];
  /** All of it in words. */
  readonly sentence: string;
}

/** What is kept and told of one stretch. */
const faultsMax = 10;
const statesMax = 20;
const toldMax = 3;

/** Faults that happen at one moment, whenever what they brought down comes up again. */
const momentary = /^(process\.(kill|power-loss|wipe)|clock\.jump|network\.reset|operator\.)/;
/** Faults whose damage stays until the end, though the fault itself is over. */
const lasting =
  /^(disk\.(bit-rot|lost-write|misdirected-write|sector-error)|operator\.(delete-file|wrong-mount)|process\.wipe)$/;

/**
 * Where and when a run that was violated went wrong: one stretch for each check that was violated on each node, the earliest
 * first. Empty for a run that held. Operations are looked up only where a check gives no window of its own, in the history of
 * an observed run.
 */
export function guiltOf(record: RunRecord): Guilt[] {
  if (record.verdict !== 'violated') return [];
  const byCheck = Map.groupBy(record.violations, ({ check, node = '' }) => `${check} ${node}`);
  const found = [...byCheck.values()].map((violations) => guiltOfCheck(record, earliest(violations)));
  return (found.length > 0 ? found : guiltOfExpectations(record)).sort(
    (a, b) => rankOf(a) - rankOf(b) || a.toMs - b.toMs,
  );
}

/** Of several violations of one check the one that was seen first tells most. */
function earliest(violations: readonly Violation[]): Violation {
  return violations.reduce((first, each) => ((each.atMs ?? Infinity) < (first.atMs ?? Infinity) ? each : first));
}

/** A stretch whose beginning nobody knows explains less than one that is known. */
function rankOf({ since }: Guilt): number {
  return since === 'none' ? 1 : 0;
}

function guiltOfCheck(record: RunRecord, violation: Violation): Guilt {
  const { check, node, message, atMs, operations = [] } = violation;
  const named = operations.flatMap((id) => operationOf(record, id) ?? []);
  const toMs = atMs ?? lastAnswer(named) ?? record.virtualMs;
  const shown = violation.fromMs;
  const invoked = named.length === 0 ? undefined : Math.min(...named.map((operation) => operation.invokedAt));
  const fromMs = Math.max(0, Math.min(shown ?? invoked ?? 0, toMs));
  const since = shown !== undefined ? 'shown' : invoked !== undefined ? 'operation' : 'none';
  return describe(record, { check, message, node, fromMs, toMs, since, operations });
}

/** No check was violated: what is left is that something that was expected did not come. */
function guiltOfExpectations(record: RunRecord): Guilt[] {
  const failed = record.expectations.filter((result) => result.outcome === 'violated');
  return failed.slice(0, 1).map(({ text, detail }) => {
    const judged = record.timeline.findLast((entry) => entry.kind === 'expectation' && entry.text.includes(text));
    const toMs = judged?.atMs ?? record.virtualMs;
    const firstFaultMs = Math.min(toMs, ...record.faults.map((fault) => fault.startMs));
    const fromMs = record.faults.length === 0 ? 0 : firstFaultMs;
    return describe(record, {
      check: text,
      message: detail,
      node: undefined,
      fromMs,
      toMs,
      since: 'none',
      operations: [],
    });
  });
}

interface Known {
  readonly check: string;
  readonly message: string;
  readonly node: string | undefined;
  readonly fromMs: number;
  readonly toMs: number;
  readonly since: Guilt['since'];
  readonly operations: readonly number[];
}

function describe(record: RunRecord, known: Known): Guilt {
  const { check, node, fromMs, toMs, since, operations } = known;
  const suspects = record.faults.map((fault) => suspectOf(record, fault, node));
  const faults = suspects.filter((each) => each.fromMs <= toMs && each.toMs >= fromMs).sort(byWeight(known));
  const before =
    faults.length > 0
      ? undefined
      : suspects.filter((each) => each.isOnNode && each.toMs < fromMs).sort((a, b) => b.toMs - a.toMs)[0];
  const states = record.timeline
    .filter((entry) => isState(entry) && entry.atMs >= fromMs && entry.atMs <= toMs)
    .filter((entry) => node === undefined || entry.node === undefined || entry.node === node)
    .map(({ atMs, node: where, text }) => (where === undefined ? { atMs, text } : { atMs, node: where, text }));
  return {
    check,
    ...(node === undefined ? {} : { node }),
    fromMs,
    toMs,
    since,
    faults: faults.slice(0, faultsMax),
    ...(before === undefined ? {} : { before }),
    states: states.slice(0, statesMax),
    operations,
    sentence: sentenceOf(known, faults, before, states),
  };
}

function suspectOf({ virtualMs, nodes }: RunRecord, fault: FaultLogEntry, node: string | undefined): Suspect {
  const { id, name, text, startMs, endMs } = fault;
  const toMs = lasting.test(name) ? virtualMs : momentary.test(name) ? startMs : (endMs ?? virtualMs);
  const engines = nodes.filter((each) => each.role === 'engine').map((each) => each.name);
  const isEverybodys = !fault.nodes.some((each) => engines.includes(each));
  return {
    id,
    name,
    text,
    fromMs: startMs,
    toMs,
    isOnNode: node === undefined || isEverybodys || fault.nodes.includes(node),
  };
}

/**
 * On the node before elsewhere; begun in the stretch before open already; then in order of their beginnings. Of a stretch
 * that is the whole run the fault that was felt last before its end comes first.
 */
function byWeight({ fromMs, toMs, since }: Known): (a: Suspect, b: Suspect) => number {
  const elsewhere = (each: Suspect): number => (each.isOnNode ? 0 : 2);
  if (since === 'none') {
    const ago = (each: Suspect): number => Math.max(0, toMs - each.toMs);
    return (a, b) => elsewhere(a) - elsewhere(b) || ago(a) - ago(b) || b.fromMs - a.fromMs;
  }
  const weight = (each: Suspect): number => elsewhere(each) + (each.fromMs >= fromMs ? 0 : 1);
  return (a, b) => weight(a) - weight(b) || a.fromMs - b.fromMs;
}

function isState({ kind }: TimelineEntry): boolean {
  return kind === 'crash' || kind === 'start' || kind === 'exit' || kind === 'operator';
}

function operationOf({ history }: RunRecord, id: number): Operation | undefined {
  const found = history?.[id];
  return found?.id === id ? found : history?.find((operation) => operation.id === id);
}

function lastAnswer(operations: readonly Operation[]): number | undefined {
  const answers = operations.map((operation) => operation.completedAt).filter(Number.isFinite);
  return answers.length === 0 ? undefined : Math.max(...answers);
}

function sentenceOf(
  { check, message, fromMs, toMs, since }: Known,
  faults: readonly Suspect[],
  before: Suspect | undefined,
  states: Guilt['states'],
): string {
  const when =
    since === 'none'
      ? `Since when cannot be told from this run; it was seen at ${formatMoment(toMs)}`
      : `It came about between ${formatMoment(fromMs)}, when all was still well, and ${formatMoment(toMs)}`;
  return `${check}: ${message}. ${when}; ${circumstances(faults, before)}${processes(states)}.`;
}

function circumstances(faults: readonly Suspect[], before: Suspect | undefined): string {
  if (faults.length > 0) {
    const told = faults.slice(0, toldMax).map(sayFault);
    const more = faults.length > toldMax ? ` and ${faults.length - toldMax} more` : '';
    return `in between: ${told.join(', ')}${more}`;
  }
  if (before === undefined) return 'no fault came before it: the engine did it by itself';
  return `no fault was felt in between; the last before it was ${sayFault(before)}`;
}

function sayFault({ name, text, fromMs, toMs }: Suspect): string {
  const when = toMs > fromMs ? `${formatMoment(fromMs)} to ${formatMoment(toMs)}` : `at ${formatMoment(fromMs)}`;
  return `${name} (${text}; ${when})`;
}

function processes(states: Guilt['states']): string {
  if (states.length === 0) return '';
  const told = states.slice(0, toldMax).map(({ atMs, text }) => `${text} at ${formatMoment(atMs)}`);
  const more = states.length > toldMax ? ` and ${states.length - toldMax} more` : '';
  return `; meanwhile: ${told.join(', ')}${more}`;
}
