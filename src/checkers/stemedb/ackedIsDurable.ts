import { Findings, type StemeCheck } from './check.ts';
import { operationsOf } from './clients.ts';
import type { JournalImage } from './evidence.ts';
import {
  isAcceptedLoss,
  mediaDamagedBefore,
  type ServerAck,
  servedImages,
  serverAcks,
  unknowableLosses,
} from './facts.ts';

/** C1: every acknowledged record is there after any recovery, same LSN, same bytes. */
export const ackedIsDurable: StemeCheck = {
  name: 'acked-is-durable',
  number: 'C1',
  claim: 'every acknowledged record is there after any recovery: same LSN, same bytes',
  run(evidence) {
    const findings = new Findings('C1 acked-is-durable');
    const lost = unknowableLosses(evidence);
    const acks = serverAcks(evidence).filter((ack) => !lost.has(ack.given));
    let compared = 0;
    for (const { life, image, moment } of servedImages(evidence)) {
      if (moment === 'left' && mediaDamagedBefore(evidence, image.atMs)) continue;
      const before = moment === 'recovered' ? life.startedOrder : image.order;
      for (const ack of acks) {
        if (ack.request.answeredOrder >= before) break;
        if (isAcceptedLoss(evidence, ack.lsn)) continue;
        compared++;
        const problem = problemOf(ack, image);
        if (problem === undefined) continue;
        findings.add(
          `LSN ${ack.lsn} was acknowledged at ${ack.request.answeredAtMs.toFixed(1)} ms as ${ack.id.slice(0, 12)} (${ack.status}), but ` +
            `incarnation ${life.incarnation} ${moment === 'recovered' ? 'recovered' : 'left'} a log with ${problem}`,
          {
            atMs: image.atMs,
            fromMs: ack.request.answeredAtMs,
            operations: operationsOf(evidence, ack.request),
            evidence: { lsn: ack.lsn, id: ack.id, last: image.records.at(-1)?.lsn ?? 0 },
          },
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
