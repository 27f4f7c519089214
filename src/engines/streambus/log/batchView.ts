import {
  type BatchHeader,
  batchHeaderBytes,
  batchOverheadBytes,
  readBatchHeader,
} from '../../../wire/kafka/recordBatch.ts';

/** Offset of the last record. */
export function lastOffsetOf(header: Pick<BatchHeader, 'baseOffset' | 'lastOffsetDelta'>): number {
  return header.baseOffset + header.lastOffsetDelta;
}

/** Bytes of the whole batch, by its length field. */
export function bytesOf(header: BatchHeader): number {
  return header.batchLength + batchOverheadBytes;
}

/**
 * The header at `at` of bytes that should be a log's, if it can be one there: right format, a length that holds a header, offsets in
 * order. Undefined when it cannot; its CRC is not looked at. The 61 bytes must be there.
 */
export function plausibleHeader(bytes: Uint8Array, at: number): BatchHeader | undefined {
  const header = readBatchHeader(bytes, at);
  const sound =
    header.magic === 2 &&
    header.batchLength >= batchHeaderBytes - batchOverheadBytes &&
    header.baseOffset >= 0 &&
    header.lastOffsetDelta >= 0 &&
    header.recordCount >= 1;
  return sound ? header : undefined;
}
