import type { FetchResponse } from '../../../../wire/kafka/messages/fetch.ts';
import { batchHeaderBytes, batchOverheadBytes, readBatchHeader } from '../../../../wire/kafka/recordBatch.ts';

type PartitionAnswer = FetchResponse['responses'][number]['partitions'][number];

/** Records of all batches in an answer, by their headers. Pieces begin and end between batches. */
export function recordCount(answers: readonly PartitionAnswer[]): number {
  let count = 0;
  for (const { records } of answers) {
    if (records === null) continue;
    for (const piece of records instanceof Uint8Array ? [records] : records) count += countIn(piece);
  }
  return count;
}

function countIn(piece: Uint8Array): number {
  let count = 0;
  let at = 0;
  while (at + batchHeaderBytes <= piece.length) {
    const { batchLength, recordCount: records } = readBatchHeader(piece, at);
    count += records;
    at += Math.max(batchHeaderBytes, batchLength + batchOverheadBytes);
  }
  return count;
}
