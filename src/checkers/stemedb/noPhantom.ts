import { Findings, type StemeCheck } from './check.ts';
import { operationsAbout, operationsOf } from './clients.ts';
import type { ServerRequest, StemeEvidence } from './evidence.ts';
import { batchWrites, isData, servedImages, submissions } from './facts.ts';

/** C3: what is there was submitted; in doubt 0 or 1 times, not applied never, no id twice; one append lies in one batch. */
export const noPhantom: StemeCheck = {
  name: 'no-phantom',
  number: 'C3',
  claim: 'what is there was submitted; indeterminate 0 or 1 times, not_applied never, no id twice',
  run(evidence) {
    const findings = new Findings('C3 no-phantom');
    const sent = submissions(evidence);
    const attempts = requestsById(evidence);
    let looked = 0;
    for (const { life, image, moment } of servedImages(evidence)) {
      const seen = new Map<string, number>();
      for (const record of image.records.filter(isData)) {
        looked++;
        const where = `incarnation ${life.incarnation} ${moment} LSN ${record.lsn} (${record.id.slice(0, 12)})`;
        const earlier = seen.get(record.id);
        const [firstTry] = attempts.get(record.id) ?? [];
        const window = {
          atMs: image.atMs,
          fromMs: firstTry?.arrivedAtMs ?? life.startedAtMs,
        };
        if (earlier !== undefined) {
          findings.add(`${where}: the same id is also LSN ${earlier}`, {
            ...window,
            operations: operationsAbout(evidence, [record.id]),
          });
        }
        seen.set(record.id, record.lsn);
        if (!sent.has(record.id)) findings.add(`${where}: no client ever sent this`, window);
        const tries = (attempts.get(record.id) ?? []).filter((request) => request.arrivedOrder < image.order);
        if (sent.has(record.id) && tries.length > 0 && tries.every((request) => notApplied(request, record.id))) {
          findings.add(`${where}: every request for it was answered "not applied"`, {
            ...window,
            operations: operationsAbout(evidence, [record.id]),
          });
        }
      }
    }
    checkWhole(evidence, findings);
    return findings.result(`${looked} records of recovered logs, ${sent.size} submissions`);
  },
};

/** Requests that asked to store an id, by that id. */
export function requestsById(evidence: StemeEvidence): ReadonlyMap<string, readonly ServerRequest[]> {
  const all = new Map<string, ServerRequest[]>();
  for (const request of evidence.requests) {
    for (const id of request.ids) {
      const list = all.get(id);
      if (list === undefined) all.set(id, [request]);
      else list.push(request);
    }
  }
  return all;
}

function notApplied(request: ServerRequest, id: string): boolean {
  if (request.answeredOrder === Number.POSITIVE_INFINITY) return false;
  const item = request.itemErrors?.find((error) => error.id === id);
  return (item ?? request.error)?.outcome === 'not_applied';
}

/** The new records of one atomic request are in one batch: a crash keeps all of them or none. */
function checkWhole(evidence: StemeEvidence, findings: Findings): void {
  const batchOf = new Map<string, string>();
  for (const call of batchWrites(evidence)) {
    for (const batch of call.batches ?? []) {
      for (const id of batch.ids) batchOf.set(`${call.incarnation} ${id}`, `${call.beganOrder} ${batch.firstLsn}`);
    }
  }
  for (const request of evidence.requests) {
    if (!request.atomic) continue;
    const fresh = request.acks.filter((ack) => ack.status === 'created');
    const batches = new Set(fresh.map((ack) => batchOf.get(`${request.incarnation} ${ack.id}`)));
    if (batches.size > 1) {
      findings.add(
        `one atomic request of ${fresh.length} records (LSN ${fresh[0]?.lsn}..${fresh.at(-1)?.lsn}) was written as ${batches.size} batches`,
        { atMs: request.answeredAtMs, fromMs: request.arrivedAtMs, operations: operationsOf(evidence, request) },
      );
    }
  }
}
