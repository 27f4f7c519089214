import { feltUntil } from '../scenario/faultLinks.ts';
import type {
  AlertLogEntry,
  FaultLogEntry,
  OperationsSummary,
  RunRecord,
  TimelineKind,
} from '../scenario/runRecord.ts';
import { formatClock } from './formatTime.ts';
import { changesSomething, type OperatorAct, operatorActs } from './operatorActs.ts';

/** What began an incident: a fault, or what an operator did. */
export type Trigger =
  | { readonly kind: 'fault'; readonly startMs: number; readonly fault: FaultLogEntry }
  | { readonly kind: 'operator'; readonly startMs: number; readonly command: string };

/** How an incident was met, in virtual milliseconds; what did not happen is undefined. */
export interface ResponseTimes {
  /** The first fault; where none came before the first trouble, the last that an operator changed before it. */
  readonly trigger: Trigger | undefined;
  /** The first alert that fired after the trigger. */
  readonly detectedBy: AlertLogEntry | undefined;
  /** From the trigger to that alert. */
  readonly toDetectMs: number | undefined;
  /** From the trigger to the operator's first action after it that changes something and does not fail. */
  readonly toMitigateMs: number | undefined;
  /**
   * From the trigger until no fault was felt, every alert was resolved, every engine node served, and no more operations were
   * refused or left in doubt than before the trigger; of operations to the end of their stretch. Undefined if one of these was
   * still so at the end.
   */
  readonly toRecoverMs: number | undefined;
  /** What was still bad at the end, in words; empty if nothing was. */
  readonly unrecovered: readonly string[];
}

/** Measures a run as site reliability engineering does: time to detect, to mitigate, to recover. */
export function responseTimes(record: RunRecord): ResponseTimes {
  const acts = operatorActs(record.timeline);
  const trigger = triggerOf(record, acts);
  const startMs = trigger?.startMs ?? 0;
  const fired = record.alerts
    .filter((alert) => alert.firingMs !== undefined && alert.firingMs >= startMs)
    .sort((a, b) => (a.firingMs ?? 0) - (b.firingMs ?? 0));
  const [detectedBy] = fired;
  const action = acts.find((act) => act.atMs > startMs && changesSomething(act) && !act.failed);
  const troubles = troublesOf(record, startMs);
  const unrecovered = troubles.filter(({ untilMs }) => untilMs === undefined).map(({ text }) => text);
  const recoveredMs = Math.max(startMs, ...troubles.map(({ untilMs }) => untilMs ?? 0));
  return {
    trigger,
    detectedBy,
    toDetectMs: trigger === undefined || detectedBy?.firingMs === undefined ? undefined : detectedBy.firingMs - startMs,
    toMitigateMs: trigger === undefined || action === undefined ? undefined : action.atMs - startMs,
    toRecoverMs: trigger === undefined || unrecovered.length > 0 ? undefined : recoveredMs - startMs,
    unrecovered,
  };
}

function triggerOf(record: RunRecord, acts: readonly OperatorAct[]): Trigger | undefined {
  const fault = record.faults.reduce<FaultLogEntry | undefined>(
    (first, each) => (first === undefined || each.startMs < first.startMs ? each : first),
    undefined,
  );
  const troubleMs = firstTroubleMs(record);
  // A command may fail and do harm all the same: a `dd` that stops when the disk is full.
  const act = acts.findLast((each) => each.atMs <= troubleMs && changesSomething(each));
  const isFaults = fault !== undefined && (act === undefined || fault.startMs <= troubleMs);
  if (isFaults) return { kind: 'fault', startMs: fault.startMs, fault };
  if (act === undefined || troubleMs === Number.POSITIVE_INFINITY) return undefined;
  return { kind: 'operator', startMs: act.atMs, command: act.command };
}

/** When the first trouble had been seen, by an alert, a client or a node that is gone; infinite if there was none. */
function firstTroubleMs({ alerts, operations, timeline }: RunRecord): number {
  const pending = alerts.map(({ pendingMs }) => pendingMs);
  const refused = operations.windows.find(({ fail, info }) => fail + info > 0)?.toMs;
  const gone = timeline.find(({ kind }) => kind === 'crash' || kind === 'exit')?.atMs;
  return Math.min(...pending, refused ?? Number.POSITIVE_INFINITY, gone ?? Number.POSITIVE_INFINITY);
}

/** Lines of the timeline that tell whether a node serves. */
const lifeKinds: ReadonlySet<TimelineKind> = new Set(['start', 'crash', 'exit']);

/** Something that was bad; undefined where it was so still at the end. */
interface Trouble {
  readonly untilMs: number | undefined;
  readonly text: string;
}

function troublesOf(record: RunRecord, startMs: number): Trouble[] {
  return [
    ...record.faults.map((fault) => ofFault(fault, record.virtualMs)),
    ...record.alerts
      .filter(
        ({ firingMs, resolvedMs }) => firingMs !== undefined && (resolvedMs ?? Number.POSITIVE_INFINITY) >= startMs,
      )
      .map(({ name, resolvedMs }) => ({ untilMs: resolvedMs, text: `the alert ${name} still fired` })),
    ...ofNodes(record, startMs),
    ...ofOperations(record.operations, startMs),
  ];
}

function ofFault(fault: FaultLogEntry, virtualMs: number): Trouble {
  const untilMs = feltUntil(fault);
  return { untilMs: untilMs <= virtualMs ? untilMs : undefined, text: `${fault.name} was not healed (${fault.text})` };
}

/** Each engine node that came up since, or is down: nobody asks why it went. */
function ofNodes({ nodes, timeline }: RunRecord, startMs: number): Trouble[] {
  return nodes.flatMap(({ name, role }): Trouble[] => {
    if (role !== 'engine') return [];
    const last = timeline.findLast(({ node, kind }) => node === name && lifeKinds.has(kind));
    if (last === undefined) return [];
    if (last.kind === 'start') return last.atMs < startMs ? [] : [{ untilMs: last.atMs, text: '' }];
    return [{ untilMs: undefined, text: `${name} was down (${last.text}, at ${formatClock(last.atMs)})` }];
  });
}

/** The last stretch in which a larger share of the operations was refused or in doubt than in any before the trigger. */
function ofOperations({ windows }: OperationsSummary, startMs: number): Trouble[] {
  const asked = windows.filter(({ ok, fail, info }) => ok + fail + info > 0);
  const share = ({ ok, fail, info }: (typeof windows)[number]): number => (fail + info) / (ok + fail + info);
  const usual = Math.max(0, ...asked.filter(({ toMs }) => toMs <= startMs).map(share));
  const last = asked.findLast((window) => window.toMs > startMs && share(window) > usual);
  if (last === undefined) return [];
  const { ok, fail, info, toMs } = last;
  const text = `${fail + info} of the last ${ok + fail + info} operations were refused or in doubt`;
  return [{ untilMs: last === asked.at(-1) ? undefined : toMs, text }];
}
