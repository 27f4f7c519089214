import {
  array,
  type Decoded,
  type Encodable,
  field,
  int32,
  int64,
  nullable,
  string,
  struct,
  throttleTimeMs,
} from '../schema/types.ts';
import { partitionErrors } from './partitionErrors.ts';

export const offsetCommitRequest = struct({
  groupId: string,
  generationIdOrMemberEpoch: field(int32, { since: 1, default: -1 }),
  memberId: field(string, { since: 1, default: '' }),
  groupInstanceId: field(nullable(string, 7), { since: 7, default: null }),
  retentionTimeMs: field(int64, { since: 2, until: 4, default: -1 }),
  topics: array(
    struct({
      name: string,
      partitions: array(
        struct({
          partitionIndex: int32,
          committedOffset: int64,
          committedLeaderEpoch: field(int32, { since: 6, default: -1 }),
          commitTimestamp: field(int64, { since: 1, until: 1, default: -1 }),
          committedMetadata: nullable(string),
        }),
      ),
    }),
  ),
});

export const offsetCommitResponse = struct({
  throttleTimeMs: throttleTimeMs(3),
  topics: partitionErrors,
});

export type OffsetCommitRequest = Decoded<typeof offsetCommitRequest>;
export type OffsetCommitResponse = Encodable<typeof offsetCommitResponse>;
