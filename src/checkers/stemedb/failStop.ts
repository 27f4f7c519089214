import { Findings, type StemeCheck } from './check.ts';
import { operationsOf } from './clients.ts';
import type { DiskCall, StemeEvidence } from './evidence.ts';
import { isLogFile, serverAcks } from './facts.ts';

/** C7: after a failed write or sync of the log, or of the name of a segment, nothing above durableLsn is acknowledged, and that file is not synced again. */
export const failStop: StemeCheck = {
  name: 'fail-stop',
  number: 'C7',
  claim: 'after a failed write or sync: no ack above durableLsn, no second sync of that file, in that incarnation',
  run(evidence) {
    const findings = new Findings('C7 fail-stop');
    const failures = evidence.disk.filter((call) => isFailure(call, evidence));
    const acks = failures.length === 0 ? [] : serverAcks(evidence).filter((ack) => ack.status === 'created');
    const judged = new Set<number>();
    for (const failure of failures) {
      if (judged.has(failure.incarnation)) continue;
      judged.add(failure.incarnation);
      const durable = durableBefore(evidence, failure);
      for (const ack of acks) {
        if (ack.request.incarnation !== failure.incarnation || ack.request.answeredOrder < failure.endedOrder) continue;
        if (ack.lsn <= durable) continue;
        findings.add(
          `LSN ${ack.lsn} was acknowledged after ${failure.operation} of ${failure.path} had failed with ${failure.error}; only up to ${durable} was durable`,
          {
            atMs: ack.request.answeredAtMs,
            fromMs: failure.beganAtMs,
            operations: operationsOf(evidence, ack.request),
          },
        );
      }
      const again = evidence.disk.find(
        (call) =>
          call.incarnation === failure.incarnation &&
          call.path === failure.path &&
          call.beganOrder > failure.endedOrder &&
          (call.operation === 'sync' || call.operation === 'syncDirectory' || call.durable === true),
      );
      if (again !== undefined) {
        findings.add(
          `${failure.path} was synced again (${again.operation} at ${again.beganAtMs.toFixed(1)} ms) after its ${failure.operation} had failed with ${failure.error}`,
          { atMs: again.beganAtMs, fromMs: failure.beganAtMs },
        );
      }
    }
    return findings.result(`${failures.length} failed writes or syncs of the log`);
  },
};

/** A directory sync that was to make the name of a new segment durable, and did not. */
function namesSegment(call: DiskCall, evidence: StemeEvidence): boolean {
  if (call.path !== evidence.config.walDirectory) return false;
  const before = evidence.disk.findLast(
    (other) =>
      other.incarnation === call.incarnation &&
      other.endedOrder < call.beganOrder &&
      other.error === undefined &&
      ((other.operation === 'rename' && other.to?.startsWith(`${call.path}/segment-`) === true) ||
        (other.operation === 'syncDirectory' && other.path === call.path)),
  );
  return before?.operation === 'rename';
}

/**
 * A write that runs out of space is another state (read-only), but not a sync that does: what it leaves is unknown. A spare
 * that fails is dropped and made anew.
 */
function isFailure(call: DiskCall, evidence: StemeEvidence): boolean {
  const code = call.error;
  if (code === undefined) return false;
  if (call.operation === 'syncDirectory') return namesSegment(call, evidence);
  if ((code === 'ENOSPC' || code === 'EDQUOT') && call.failedOperation !== 'sync') return false;
  if (!isLogFile(call.path, evidence) || !/\/segment-\d+\.wal$/.test(call.path)) return false;
  return call.operation === 'sync' || (call.operation === 'write' && call.durable === true);
}

function durableBefore(evidence: StemeEvidence, failure: DiskCall): number {
  let durable = 0;
  const recovered = evidence.lives.find((life) => life.incarnation === failure.incarnation)?.recovered;
  if (recovered !== undefined) durable = recovered.records.at(-1)?.lsn ?? 0;
  for (const call of evidence.disk) {
    if (call.incarnation !== failure.incarnation || call.error !== undefined || call.durable !== true) continue;
    if (call.endedOrder >= failure.endedOrder) continue;
    for (const batch of call.batches ?? []) durable = Math.max(durable, batch.lastLsn);
  }
  return durable;
}
