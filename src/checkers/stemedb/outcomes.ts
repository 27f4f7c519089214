import type { Violation } from '../history.ts';
import { Findings, type StemeCheck } from './check.ts';
import { operationsOf } from './clients.ts';
import type { StemeEvidence } from './evidence.ts';
import { batchWrites, servedImages } from './facts.ts';
import { requestsById } from './noPhantom.ts';

/** C22: what an error says of its outcome is true in the final state of the world. */
export const outcomes: StemeCheck = {
  name: 'outcomes',
  number: 'C22',
  claim: "every error's outcome is true in the final state of the world",
  run(evidence) {
    const findings = new Findings('C22 outcomes');
    const submitted = submittedAt(evidence);
    const attempts = requestsById(evidence);
    const present = new Map(
      servedImages(evidence).flatMap(({ image }) => image.records.map((record) => [record.id, record.lsn] as const)),
    );
    let errors = 0;
    for (const request of evidence.requests) {
      for (const id of request.ids) {
        const error = request.itemErrors?.find((item) => item.id === id) ?? request.error;
        if (error === undefined) continue;
        errors++;
        const window = (): Omit<Violation, 'check' | 'message'> => ({
          atMs: request.answeredAtMs,
          fromMs: request.arrivedAtMs,
          operations: operationsOf(evidence, request),
        });
        const begun = submitted.get(`${request.incarnation} ${id}`);
        const others = (attempts.get(id) ?? []).filter((other) => other !== request);
        const alone = others.length === 0;
        if (error.outcome === 'not_applied') {
          if (alone && begun !== undefined) {
            findings.add(
              `${error.code} said "not applied" of ${id.slice(0, 12)}, whose batch had been handed to the disk`,
              window(),
            );
          } else if (alone && present.has(id)) {
            findings.add(
              `${error.code} said "not applied" of ${id.slice(0, 12)}, which is LSN ${present.get(id)}`,
              window(),
            );
          }
        } else if (error.code === 'WRITE_INDETERMINATE') {
          // A time-out may leave a write in the queue; this error speaks of a write that was submitted and failed.
          if (others.every((other) => other.incarnation !== request.incarnation) && begun === undefined) {
            findings.add(
              `${error.code} left ${id.slice(0, 12)} in doubt, though its batch was never handed to the disk`,
              window(),
            );
          }
        } else if (error.outcome !== 'indeterminate') {
          findings.add(`${error.code} says neither "not_applied" nor "indeterminate" but "${error.outcome}"`, window());
        }
      }
    }
    return findings.result(`${errors} refused or failed submissions`);
  },
};

/** `incarnation id` to the order in which a batch with it was first handed to the disk. */
function submittedAt(evidence: StemeEvidence): ReadonlyMap<string, number> {
  const all = new Map<string, number>();
  for (const call of batchWrites(evidence)) {
    for (const batch of call.batches ?? []) {
      for (const id of batch.ids) {
        const key = `${call.incarnation} ${id}`;
        if (!all.has(key)) all.set(key, call.beganOrder);
      }
    }
  }
  return all;
}
