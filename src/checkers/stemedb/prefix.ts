import { Findings, type StemeCheck } from './check.ts';
import { operationsAbout, operationsOf } from './clients.ts';
import type { StemeEvidence } from './evidence.ts';
import {
  isAcceptedLoss,
  lastLsn,
  mediaDamagedBefore,
  recoveredImages,
  type ServerAck,
  servedImages,
  serverAcks,
  unknowableLosses,
  wholeBefore,
} from './facts.ts';

/** C2: recovered LSNs are 1..k without gap, k at least the highest acknowledged, in order of submission. */
export const prefix: StemeCheck = {
  name: 'prefix',
  number: 'C2',
  claim: 'recovered LSNs are 1..k, no gap, k >= highest acknowledged, in order of submission',
  run(evidence) {
    const findings = new Findings('C2 prefix');
    for (const { life, image, moment } of servedImages(evidence)) {
      const gap = image.records.findIndex((record, index) => record.lsn !== index + 1);
      if (gap !== -1) {
        findings.add(
          `incarnation ${life.incarnation}: expected LSN ${gap + 1} in the log, found ${image.records[gap]?.lsn}`,
          { atMs: image.atMs, fromMs: moment === 'left' ? life.servedAtMs : wholeBefore(evidence, life) },
        );
      }
    }
    const images = recoveredImages(evidence);
    checkReach(evidence, findings);
    checkGaps(evidence, findings);
    checkOrder(evidence, findings);
    return findings.result(`${images.length} recovered logs, the longest of ${longest(evidence)} records`);
  },
};

function checkReach(evidence: StemeEvidence, findings: Findings): void {
  const acks = serverAcks(evidence);
  for (const { life, image } of recoveredImages(evidence)) {
    if (mediaDamagedBefore(evidence, life.startedAtMs)) continue; // C1 and C9 judge those
    const highest = acks
      .filter((ack) => ack.request.answeredOrder < life.startedOrder && !isAcceptedLoss(evidence, ack.lsn))
      .reduce<ServerAck | undefined>((top, ack) => (top !== undefined && top.lsn >= ack.lsn ? top : ack), undefined);
    if (highest !== undefined && lastLsn(image) < highest.lsn) {
      findings.add(
        `incarnation ${life.incarnation} recovered up to LSN ${lastLsn(image)}, but LSN ${highest.lsn} was acknowledged`,
        {
          atMs: image.atMs,
          fromMs: highest.request.answeredAtMs,
          operations: operationsOf(evidence, highest.request),
        },
      );
    }
  }
}

/** Within one life every batch goes on where an earlier one ended: a rejected batch gives its LSNs back. */
function checkGaps(evidence: StemeEvidence, findings: Findings): void {
  const ends = new Map<number, number>();
  const endedAt = new Map<number, number>();
  for (const call of evidence.disk) {
    if (call.operation !== 'write' || call.durable !== true) continue;
    for (const batch of call.batches ?? []) {
      const last = ends.get(call.incarnation);
      if (last !== undefined && batch.firstLsn > last + 1) {
        findings.add(
          `incarnation ${call.incarnation} wrote a batch from LSN ${batch.firstLsn} after one that ended at ${last}: a gap`,
          {
            atMs: call.beganAtMs,
            fromMs: endedAt.get(call.incarnation) ?? call.beganAtMs,
            operations: operationsAbout(evidence, batch.ids),
          },
        );
      }
      // A failed batch proves nothing: the next may take its place.
      if (call.error === undefined) endedAt.set(call.incarnation, call.beganAtMs);
      if (call.error === undefined) ends.set(call.incarnation, Math.max(last ?? 0, batch.lastLsn));
      else ends.set(call.incarnation, last ?? batch.firstLsn - 1);
    }
  }
}

/** A write that arrived after another was answered has the higher LSN. */
function checkOrder(evidence: StemeEvidence, findings: Findings): void {
  const lost = unknowableLosses(evidence);
  const events = evidence.requests
    .filter((request) => request.acks.length > 0)
    .flatMap((request) => [
      { order: request.arrivedOrder, request, arrival: true },
      { order: request.answeredOrder, request, arrival: false },
    ])
    .sort((a, b) => a.order - b.order);
  const floor = new Map<object, number>();
  let answered = 0;
  for (const { request, arrival } of events) {
    if (arrival) {
      floor.set(request, answered);
      continue;
    }
    const before = floor.get(request) ?? 0;
    for (const ack of request.acks) {
      if (ack.status === 'created' && ack.lsn <= before && evidence.acceptedLoss.length === 0) {
        findings.add(
          `LSN ${ack.lsn} was given to a write that arrived at ${request.arrivedAtMs.toFixed(1)} ms, after LSN ${before} had been acknowledged`,
          { atMs: request.answeredAtMs, fromMs: request.arrivedAtMs, operations: operationsOf(evidence, request) },
        );
      }
      if (!lost.has(ack)) answered = Math.max(answered, ack.lsn);
    }
  }
}

function longest(evidence: StemeEvidence): number {
  return recoveredImages(evidence).reduce((most, { image }) => Math.max(most, image.records.length), 0);
}
