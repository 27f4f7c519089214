import {
  array,
  type Decoded,
  type Encodable,
  field,
  int16,
  int32,
  int64,
  nullable,
  string,
  struct,
  throttleTimeMs,
} from '../schema/types.ts';
import { partitionErrors } from './partitionErrors.ts';

export const txnOffsetCommitRequest = struct({
  transactionalId: string,
  groupId: string,
  producerId: int64,
  producerEpoch: int16,
  generationId: field(int32, { since: 3, default: -1 }),
  memberId: field(string, { since: 3, default: '' }),
  groupInstanceId: field(nullable(string, 3), { since: 3, default: null }),
  topics: array(
    struct({
      name: string,
      partitions: array(
        struct({
          partitionIndex: int32,
          committedOffset: int64,
          committedLeaderEpoch: field(int32, { since: 2, default: -1 }),
          committedMetadata: nullable(string),
        }),
      ),
    }),
  ),
});

export const txnOffsetCommitResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  topics: partitionErrors,
});

export type TxnOffsetCommitRequest = Decoded<typeof txnOffsetCommitRequest>;
export type TxnOffsetCommitResponse = Encodable<typeof txnOffsetCommitResponse>;
