import { Findings, type StemeCheck } from './check.ts';
import { operationsAbout, wellUntil } from './clients.ts';
import { servedImages, submissions, unknowableLosses } from './facts.ts';

/** C8: a read gives what was submitted, or fails; what is handed to the disk follows the format that guards it. */
export const noBadByte: StemeCheck = {
  name: 'no-bad-byte',
  number: 'C8',
  claim: 'a read gives the truth of the disk or fails; bytes that are written carry the checks that guard them',
  run(evidence) {
    const findings = new Findings('C8 no-bad-byte');
    const sent = submissions(evidence);
    let reads = 0;
    const wrong = new Set<number>();
    const isWrong = (id: number): boolean => wrong.has(id);
    for (const operation of evidence.operations) {
      if (operation.input.f !== 'get' || operation.outcome !== 'ok' || operation.output?.found === undefined) continue;
      reads++;
      const { id } = operation.input;
      const expected = sent.get(id)?.content;
      if (expected === undefined || !sameContent(expected, operation.output.found.content)) {
        wrong.add(operation.id);
        findings.add(`a read of ${id.slice(0, 12)} gave other content than was submitted`, {
          atMs: operation.completedAt,
          fromMs: wellUntil(evidence, id, operation, isWrong),
          operations: operationsAbout(evidence, [id]),
          evidence: { expected, got: operation.output.found.content },
        });
      }
    }
    const lsnOf = new Map<string, number>();
    for (const { image } of servedImages(evidence))
      for (const record of image.records) lsnOf.set(record.id, record.lsn);
    const lost = new Set([...unknowableLosses(evidence)].map((ack) => ack.id));
    for (const operation of evidence.operations) {
      if (operation.input.f !== 'get' || operation.output?.found === undefined || lost.has(operation.input.id))
        continue;
      const lsn = lsnOf.get(operation.input.id);
      if (lsn !== undefined && lsn !== operation.output.found.lsn) {
        wrong.add(operation.id);
        findings.add(
          `a read of ${operation.input.id.slice(0, 12)} named LSN ${operation.output.found.lsn}, the log has it as ${lsn}`,
          {
            atMs: operation.completedAt,
            fromMs: wellUntil(evidence, operation.input.id, operation, isWrong),
            operations: operationsAbout(evidence, [operation.input.id]),
          },
        );
      }
    }
    const written = evidence.disk.filter((call) => call.malformed !== undefined || call.batches !== undefined);
    for (const call of written) {
      if (call.malformed !== undefined) {
        findings.add(
          `${call.path} was given a batch at ${call.position} that its format does not cover: ${call.malformed}`,
          {
            atMs: call.beganAtMs,
            fromMs: call.beganAtMs,
          },
        );
      }
    }
    return findings.result(`${reads} reads of records, ${written.length} batch writes`);
  },
};

/** Equality of two JSON values; the order of keys does not count. */
export function sameContent(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = Object.entries(a).filter(([, value]) => value !== undefined);
  const right = new Map(Object.entries(b).filter(([, value]) => value !== undefined));
  return (
    left.length === right.size && left.every(([key, value]) => right.has(key) && sameContent(value, right.get(key)))
  );
}
