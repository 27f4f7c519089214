import {
  array,
  type Decoded,
  type Encodable,
  field,
  int16,
  int32,
  int64,
  string,
  struct,
  throttleTimeMs,
} from '../schema/types.ts';

export const offsetForLeaderEpochRequest = struct({
  replicaId: field(int32, { since: 3, default: -2 }),
  topics: array(
    struct({
      topic: string,
      partitions: array(
        struct({
          partition: int32,
          currentLeaderEpoch: field(int32, { since: 2, default: -1 }),
          leaderEpoch: int32,
        }),
      ),
    }),
  ),
});

export const offsetForLeaderEpochResponse = struct({
  throttleTimeMs: throttleTimeMs(2),
  topics: array(
    struct({
      topic: string,
      partitions: array(
        struct({
          errorCode: int16,
          partition: int32,
          leaderEpoch: field(int32, { since: 1, default: -1 }),
          endOffset: field(int64, { default: -1 }),
        }),
      ),
    }),
  ),
});

export type OffsetForLeaderEpochRequest = Decoded<typeof offsetForLeaderEpochRequest>;
export type OffsetForLeaderEpochResponse = Encodable<typeof offsetForLeaderEpochResponse>;
