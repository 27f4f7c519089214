import { Findings, type StemeCheck } from './check.ts';
import type { StemeEvidence } from './evidence.ts';

/** What a call may take beyond its time-out. */
const graceMs = 1_000;
const startBaseMs = 10_000;
const startBytesPerMs = 200_000;

/** C18: without faults, calls end by their time-out, a start by the size of the log, a drain by its own time-out. */
export const liveness: StemeCheck = {
  name: 'liveness',
  number: 'C18',
  claim: 'faults stopped: calls end <= time-out + 1 s; start <= 10 s + log bytes / 200 MB/s; drain <= its time-out',
  run(evidence) {
    const findings = new Findings('C18 liveness');
    const calm = calmSince(evidence);
    let judged = 0;
    for (const operation of evidence.operations) {
      if (!calm(operation.invokedAt)) continue;
      judged++;
      const bound = operation.invokedAt + evidence.config.requestTimeoutMs + graceMs;
      if (operation.completedAt > bound && evidence.endedAtMs > bound) {
        findings.add(
          `${operation.f} invoked at ${(operation.invokedAt / 1000).toFixed(1)} s was not answered within its time-out of ${evidence.config.requestTimeoutMs} ms and ${graceMs} ms`,
          { atMs: bound, fromMs: operation.invokedAt, operations: [operation.id] },
        );
      }
    }
    for (const life of evidence.lives) {
      if (calm(life.startedAtMs)) {
        judged++;
        const bound = life.startedAtMs + startBaseMs + life.logBytes / startBytesPerMs;
        const ready = Math.min(life.servedAtMs, life.endedAtMs);
        if (ready > bound && evidence.endedAtMs > bound) {
          findings.add(
            `incarnation ${life.incarnation} was not ready after ${((bound - life.startedAtMs) / 1000).toFixed(1)} s`,
            {
              atMs: bound,
              fromMs: life.startedAtMs,
            },
          );
        }
      }
      if (life.stopAskedAtMs !== undefined && calm(life.stopAskedAtMs)) {
        judged++;
        const bound = life.stopAskedAtMs + evidence.config.lameDuckMs + evidence.config.drainTimeoutMs + graceMs;
        if (life.endedAtMs > bound && evidence.endedAtMs > bound) {
          findings.add(
            `incarnation ${life.incarnation} had not drained after ${((bound - life.stopAskedAtMs) / 1000).toFixed(1)} s`,
            {
              atMs: bound,
              fromMs: life.stopAskedAtMs,
            },
          );
        }
      }
    }
    return findings.result(`${judged} calls, starts and drains without a fault around them`);
  },
};

/** Whether no fault is active at this moment or later. */
function calmSince(evidence: StemeEvidence): (atMs: number) => boolean {
  const last = evidence.faults.reduce(
    (end, fault) =>
      Math.max(end, fault.startMs, fault.endMs === Infinity ? (evidence.healedAtMs ?? Infinity) : fault.endMs),
    0,
  );
  return (atMs) => atMs >= last;
}
