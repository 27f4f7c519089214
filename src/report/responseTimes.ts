import type { AlertLogEntry, FaultLogEntry, RunRecord } from '../scenario/runRecord.ts';

/** How an incident was met, in virtual milliseconds; what did not happen is undefined. */
export interface ResponseTimes {
  /** The fault that began it. */
  readonly trigger: FaultLogEntry | undefined;
  /** The first alert that fired after the trigger. */
  readonly detectedBy: AlertLogEntry | undefined;
  /** From the trigger to that alert. */
  readonly toDetectMs: number | undefined;
  /** From the trigger to the first action of the operator after it. */
  readonly toMitigateMs: number | undefined;
  /** From the trigger until every fault was healed and every alert resolved. Undefined if an alert still fired at the end. */
  readonly toRecoverMs: number | undefined;
}

/** Measures a run as site reliability engineering does: time to detect, to mitigate, to recover. */
export function responseTimes({ faults, alerts, timeline }: RunRecord): ResponseTimes {
  const trigger = faults.reduce<FaultLogEntry | undefined>(
    (first, fault) => (first === undefined || fault.startMs < first.startMs ? fault : first),
    undefined,
  );
  const startMs = trigger?.startMs ?? 0;
  const fired = alerts
    .filter((alert) => alert.firingMs !== undefined && alert.firingMs >= startMs)
    .sort((a, b) => (a.firingMs ?? 0) - (b.firingMs ?? 0));
  const [detectedBy] = fired;
  const action = timeline.find((entry) => entry.kind === 'operator' && entry.atMs >= startMs);
  const stillFires = fired.some((alert) => alert.resolvedMs === undefined);
  const endMs = Math.max(
    startMs,
    ...faults.map((fault) => fault.endMs ?? fault.startMs),
    ...fired.map((alert) => alert.resolvedMs ?? 0),
  );
  return {
    trigger,
    detectedBy,
    toDetectMs: trigger === undefined || detectedBy?.firingMs === undefined ? undefined : detectedBy.firingMs - startMs,
    toMitigateMs: trigger === undefined || action === undefined ? undefined : action.atMs - startMs,
    toRecoverMs: trigger === undefined || stillFires ? undefined : endMs - startMs,
  };
}
