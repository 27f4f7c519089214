import type { Operation, Violation } from '../checkers/history.ts';
import { feltUntil } from '../scenario/faultLinks.ts';
import type { FaultLogEntry, RunRecord, TimelineEntry } from '../scenario/runRecord.ts';
import { formatMoment } from './formatTime.ts';

/** A fault that may have provoked what went wrong. */
export interface Suspect {
  /** Number in the fault log. */
  readonly id: number;
  readonly name: string;
  readonly text: string;
  /** The part of the run in which it was felt; a moment for one that strikes and is over, whatever damage stays. */
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
  /** Faults that were felt in it, or whose damage was there: the likeliest first. */
  readonly faults: readonly Suspect[];
  /** The last fault before it, when there was none in it: on the blamed node, else on another. */
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

/** Faults that end a process: when it comes up again is a state of the machine. */
const endsProcess = /^process\.(kill|power-loss|wipe)$/;
/** Faults whose damage stays until the end, though the fault itself is over. */
const lasting =
  /^(disk\.(bit-rot|lost-write|misdirected-write|sector-error|sync-error|lying-sync)|operator\.(delete-file|wrong-mount)|process\.wipe)$/;
/** Faults that damage nothing by themselves: they show what another did, so they come after the others. */
const revealing = /^(operator\.(restart|request)|process\.kill)$/;

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
  // A moment that never came, as that of an answer, is the end of the run.
  const toMs = Math.min(atMs ?? lastAnswer(named) ?? record.virtualMs, record.virtualMs);
  const shown = violation.fromMs ?? lastServed(record, violation);
  const invoked = named.length === 0 ? undefined : Math.min(...named.map((operation) => operation.invokedAt));
  const fromMs = Math.max(0, Math.min(shown ?? invoked ?? 0, toMs));
  const since = shown !== undefined ? 'shown' : invoked !== undefined ? 'operation' : 'none';
  return describe(record, { check, message, node, fromMs, toMs, since, operations });
}

/** A process that ended with a defect was well when it began to serve, or when the one before it did. */
function lastServed({ nodes, timeline }: RunRecord, { check, node, atMs }: Violation): number | undefined {
  if (check !== 'no-defect' || atMs === undefined) return undefined;
  const engines = nodes.filter(({ role }) => role === 'engine');
  const blamed = node ?? (engines.length === 1 ? engines[0]?.name : undefined);
  return timeline.findLast((entry) => entry.kind === 'start' && entry.node === blamed && entry.atMs <= atMs)?.atMs;
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
  const reachMs = (each: Suspect): number => (lasting.test(each.name) ? record.virtualMs : each.toMs);
  const faults = suspects.filter((each) => each.fromMs <= toMs && reachMs(each) >= fromMs).sort(byWeight(known));
  const before =
    faults.length > 0
      ? undefined
      : suspects
          .filter((each) => each.toMs < fromMs)
          .sort((a, b) => Number(b.isOnNode) - Number(a.isOnNode) || b.toMs - a.toMs)[0];
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
    sentence: sentenceOf(record, known, faults, before, states),
  };
}

function suspectOf({ virtualMs, nodes }: RunRecord, fault: FaultLogEntry, node: string | undefined): Suspect {
  const { id, name, text, startMs } = fault;
  const toMs = endsProcess.test(name) ? startMs : Math.min(feltUntil(fault), virtualMs);
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
 * On the node before elsewhere; what does damage before what only shows it; then by the distance of their beginnings from that
 * of the stretch, whether they were open by then or began in it. Of a stretch that is the whole run the fault that was felt
 * last before its end comes first.
 */
function byWeight({ fromMs, toMs, since }: Known): (a: Suspect, b: Suspect) => number {
  const weight = ({ isOnNode, name }: Suspect): number => (isOnNode ? 0 : 2) + (revealing.test(name) ? 1 : 0);
  const distance = (each: Suspect): number =>
    since === 'none' ? Math.max(0, toMs - each.toMs) : Math.abs(each.fromMs - fromMs);
  const latest = since === 'none' ? -1 : 1;
  return (a, b) => weight(a) - weight(b) || distance(a) - distance(b) || latest * (a.fromMs - b.fromMs);
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
  record: RunRecord,
  known: Known,
  faults: readonly Suspect[],
  before: Suspect | undefined,
  states: Guilt['states'],
): string {
  const { check, message, toMs } = known;
  const when =
    known.since === 'none'
      ? `Since when cannot be told from this run; it was seen at ${formatMoment(toMs)}`
      : `It came about between ${beginning(record, known)} and ${formatMoment(toMs)}`;
  return `${check}: ${message}. ${when}; ${circumstances(record, faults, before)}${processes(states)}.`;
}

/** The beginning of a stretch, and how it is known. */
function beginning(record: RunRecord, { fromMs, since, operations }: Known): string {
  if (since === 'shown') return `${formatMoment(fromMs)}, when all was still well,`;
  const first = operations.find((id) => operationOf(record, id)?.invokedAt === fromMs);
  return `the call of operation ${first ?? operations[0]} at ${formatMoment(fromMs)}`;
}

function circumstances({ faults: all }: RunRecord, faults: readonly Suspect[], before: Suspect | undefined): string {
  if (faults.length > 0) {
    const told = faults.slice(0, toldMax).map(sayFault);
    const more = faults.length > toldMax ? ` and ${faults.length - toldMax} more` : '';
    return `in between: ${told.join(', ')}${more}`;
  }
  if (all.length === 0) return 'no fault was injected in this run: the engine did it by itself';
  if (before === undefined) return 'no fault came before it';
  return `no fault was felt in between; the last before it was ${sayFault(before)}`;
}

function sayFault({ name, text, fromMs, toMs, isOnNode }: Suspect): string {
  const when = toMs > fromMs ? `${formatMoment(fromMs)} to ${formatMoment(toMs)}` : `at ${formatMoment(fromMs)}`;
  return `${name}${isOnNode ? '' : ' on another node'} (${text}; ${when}${lasting.test(name) ? ', its damage stays' : ''})`;
}

function processes(states: Guilt['states']): string {
  if (states.length === 0) return '';
  const told = states.slice(0, toldMax).map(({ atMs, text }) => `${text} at ${formatMoment(atMs)}`);
  const more = states.length > toldMax ? ` and ${states.length - toldMax} more` : '';
  return `; meanwhile: ${told.join(', ')}${more}`;
}
