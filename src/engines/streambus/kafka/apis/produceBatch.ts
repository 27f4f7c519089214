import {
  attributeBits,
  batchHeaderBytes,
  isTransactional,
  readBatchHeader,
} from '../../../../wire/kafka/recordBatch.ts';

/** What the door looks at in a batch before its partition checks it. Nothing here is trusted: lengths and CRC are not looked at. */
export interface BatchSummary {
  /** By the header; at most what the bytes can hold. */
  readonly records: number;
  readonly isTransactional: boolean;
  /** -1: not idempotent, or no batch. */
  readonly producerId: number;
  readonly producerEpoch: number;
}

const none: BatchSummary = { records: 0, isTransactional: false, producerId: -1, producerEpoch: -1 };
/** A record has at least a length, attributes, two deltas, two lengths and a count of headers: 7 bytes. */
const recordBytesMin = 7;

/** Reads the header of the first batch. */
export function batchSummary(bytes: Uint8Array): BatchSummary {
  if (bytes.length < batchHeaderBytes) return none;
  const header = readBatchHeader(bytes);
  const isPlain = (header.attributes & attributeBits.codec) === 0;
  const most = isPlain ? Math.floor((bytes.length - batchHeaderBytes) / recordBytesMin) : Number.POSITIVE_INFINITY;
  return {
    records: Math.max(0, Math.min(header.recordCount, most)),
    isTransactional: isTransactional(header),
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
  };
}
