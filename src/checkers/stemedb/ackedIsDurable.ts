import { Findings, type StemeCheck } from './check.ts';
import type { JournalImage, Life, StemeEvidence } from './evidence.ts';
import { isAcceptedLoss, mediaDamagedBefore, type ServerAck, servedImages, serverAcks } from './facts.ts';

/**
 * The witness is written at the latest one second after an acknowledgement (contract, 4.6); a batch that a lying or damaged
 * disk lost together with power inside that window cannot be known to be missing.
 */
const witnessWindowMs = 1_000;

/** C1: every acknowledged record is there after any recovery, same LSN, same bytes. */
export const ackedIsDurable: StemeCheck = {
  name: 'acked-is-durable',
  number: 'C1',
  claim: 'every acknowledged record is there after any recovery: same LSN, same bytes',
  run(evidence) {
    const findings = new Findings('C1 acked-is-durable');
    const acks = serverAcks(evidence);
    let compared = 0;
    for (const { life, image, moment } of servedImages(evidence)) {
      if (moment === 'left' && mediaDamagedBefore(evidence, image.atMs)) continue;
      const before = moment === 'recovered' ? life.startedOrder : image.order;
      for (const ack of acks) {
        if (ack.request.answeredOrder >= before) break;
        if (isAcceptedLoss(evidence, ack.lsn)) continue;
        compared++;
        const problem = problemOf(ack, image);
        if (problem === undefined || cannotBeKnown(evidence, ack, life)) continue;
        findings.add(
          `LSN ${ack.lsn} was acknowledged at ${ack.request.answeredAtMs.toFixed(1)} ms as ${ack.id.slice(0, 12)} (${ack.status}), but ` +
            `incarnation ${life.incarnation} ${moment === 'recovered' ? 'recovered' : 'left'} a log with ${problem}`,
          { atMs: image.atMs, evidence: { lsn: ack.lsn, id: ack.id, last: image.records.at(-1)?.lsn ?? 0 } },
        );
      }
    }
    return findings.result(`${acks.length} acknowledgements, ${compared} comparisons with recovered logs`);
  },
};

function problemOf(ack: ServerAck, image: JournalImage): string | undefined {
  const first = image.records[0]?.lsn ?? 1;
  const record = image.records[ack.lsn - first];
  if (record === undefined) return `no such LSN (it ends at ${image.records.at(-1)?.lsn ?? 0})`;
  if (record.id !== ack.id) return `another record there, ${record.id.slice(0, 12)}`;
  return undefined;
}

/** With damaged media a loss can only be known by what proves the acknowledgement: the rest of the log, or the witness. */
function cannotBeKnown(evidence: StemeEvidence, ack: ServerAck, life: Life): boolean {
  if (!mediaDamagedBefore(evidence, life.startedAtMs) || ack.lsn <= life.found.floor) return false;
  const witnessGone = evidence.faults.some(
    (fault) =>
      fault.name === 'operator.delete-file' &&
      String(fault.parameters.directory).includes('witness') &&
      fault.startMs <= life.startedAtMs,
  );
  if (witnessGone) return true;
  return evidence.powerLosses.some(
    (loss) =>
      loss.order < life.startedOrder &&
      loss.order > ack.request.answeredOrder &&
      loss.atMs - ack.request.answeredAtMs <= witnessWindowMs + 10 * longestWriteMs(evidence, ack.request.answeredAtMs),
  );
}

function longestWriteMs(evidence: StemeEvidence, atMs: number): number {
  return evidence.disk.reduce(
    (longest, call) =>
      call.durable === true && call.endedAtMs <= atMs ? Math.max(longest, call.endedAtMs - call.beganAtMs) : longest,
    1,
  );
}
