import {
  array,
  type Decoded,
  type Encodable,
  field,
  int8,
  int16,
  int32,
  int64,
  string,
  struct,
  throttleTimeMs,
} from '../schema/types.ts';

/** Times that mean a place. */
export const latestTimestamp = -1;
export const earliestTimestamp = -2;
export const maxTimestamp = -3;

export const listOffsetsRequest = struct({
  replicaId: field(int32, { default: -1 }),
  /** 0 read uncommitted, 1 read committed. */
  isolationLevel: field(int8, { since: 2, default: 0 }),
  topics: array(
    struct({
      name: string,
      partitions: array(
        struct({
          partitionIndex: int32,
          currentLeaderEpoch: field(int32, { since: 4, default: -1 }),
          timestamp: int64,
          maxNumOffsets: field(int32, { until: 0, default: 1 }),
        }),
      ),
    }),
  ),
});

export const listOffsetsResponse = struct({
  throttleTimeMs: throttleTimeMs(2),
  topics: array(
    struct({
      name: string,
      partitions: array(
        struct({
          partitionIndex: int32,
          errorCode: int16,
          oldStyleOffsets: field(array(int64), { until: 0, default: [] }),
          timestamp: field(int64, { since: 1, default: -1 }),
          offset: field(int64, { since: 1, default: -1 }),
          leaderEpoch: field(int32, { since: 4, default: -1 }),
        }),
      ),
    }),
  ),
});

export type ListOffsetsRequest = Decoded<typeof listOffsetsRequest>;
export type ListOffsetsResponse = Encodable<typeof listOffsetsResponse>;
