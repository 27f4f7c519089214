import { batchBytesAt, isControl, isTransactional, readBatchHeader } from '../../../../wire/kafka/recordBatch.ts';
import { readMarker, readRecords } from '../../../../wire/kafka/records.ts';

/** Records that a consumer is given, and where it goes on. */
export interface Consumed {
  readonly records: readonly { readonly offset: number; readonly value: string }[];
  readonly next: number;
}

const decoder = new TextDecoder();

/**
 * What a consumer that reads committed records makes of the bytes of a fetch: batches of aborted transactions are left out, from the first
 * offset that the broker names to the marker of their end; a batch that is cut at the end is fetched again.
 */
export function consume(
  bytes: Uint8Array | null,
  from: number,
  aborted: readonly { readonly producerId: number; readonly firstOffset: number }[],
): Consumed {
  const records: { offset: number; value: string }[] = [];
  const waiting = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  const active = new Set<number>();
  let next = from;
  for (let at = 0; bytes !== null && at < bytes.length; ) {
    const length = batchBytesAt(bytes, at);
    if (length === undefined || at + length > bytes.length) break;
    const batch = bytes.subarray(at, at + length);
    at += length;
    const header = readBatchHeader(batch);
    const last = header.baseOffset + header.lastOffsetDelta;
    for (let first = waiting[0]; first !== undefined && first.firstOffset <= last; first = waiting[0]) {
      active.add(first.producerId);
      waiting.shift();
    }
    if (last < from) continue;
    next = last + 1;
    if (isControl(header)) {
      if (readMarker(batch, header)?.commit === false) active.delete(header.producerId);
      continue;
    }
    if (isTransactional(header) && active.has(header.producerId)) continue;
    for (const { offset, value } of readRecords(batch)) {
      if (offset >= from && value !== null) records.push({ offset, value: decoder.decode(value) });
    }
  }
  return { records, next };
}
