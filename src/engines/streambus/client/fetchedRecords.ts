import { batchBytesAt, isControl, isTransactional, readBatchHeader } from '../../../wire/kafka/recordBatch.ts';
import { type KafkaRecord, readMarker, readRecords } from '../../../wire/kafka/records.ts';
import { ClientError } from './clientError.ts';

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

/** Records for the reader, and where to go on. */
export interface FetchedRecords {
  readonly records: KafkaRecord[];
  /** Offset of the next fetch: past everything that was looked at, also what was left out. */
  readonly nextOffset: number;
}

/**
 * The records of one partition's answer from `position` on. With read_committed (`aborted` is given), records of aborted
 * transactions are left out: a producer's are aborted from the first offset in the list up to its next abort marker. A last
 * batch that was cut off is left for the next fetch. Rejects what it cannot read: `definite`, since nothing is changed.
 */
export function recordsFrom(
  bytes: Uint8Array,
  position: number,
  aborted: readonly AbortedTransaction[] | undefined,
): FetchedRecords {
  const records: KafkaRecord[] = [];
  const pending = [...(aborted ?? [])].sort((a, b) => a.firstOffset - b.firstOffset);
  const abortedNow = new Set<number>();
  let nextOffset = position;
  let at = 0;
  while (at < bytes.length) {
    const size = batchBytesAt(bytes, at);
    if (size === undefined || at + size > bytes.length) break;
    const batch = bytes.subarray(at, at + size);
    at += size;
    try {
      const header = readBatchHeader(batch);
      const lastOffset = header.baseOffset + header.lastOffsetDelta;
      while (pending[0] !== undefined && pending[0].firstOffset <= lastOffset) {
        abortedNow.add(pending[0].producerId);
        pending.shift();
      }
      nextOffset = Math.max(nextOffset, lastOffset + 1);
      if (isControl(header)) {
        if (readMarker(batch, header)?.commit === false) abortedNow.delete(header.producerId);
        continue;
      }
      if (aborted !== undefined && isTransactional(header) && abortedNow.has(header.producerId)) continue;
      for (const record of readRecords(batch)) if (record.offset >= position) records.push(record);
    } catch (error) {
      throw new ClientError(
        'PROTOCOL',
        'definite',
        `a batch behind offset ${nextOffset}: ${String(error)}`,
        undefined,
        error,
      );
    }
  }
  return { records, nextOffset };
}
