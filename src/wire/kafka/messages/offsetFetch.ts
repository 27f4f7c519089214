import {
  array,
  bool,
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

export const offsetFetchRequest = struct({
  /** Up to version 7: one group. */
  groupId: field(string, { until: 7, default: '' }),
  /** Null (version 2 to 7): all topics. */
  topics: field(nullable(array(struct({ name: string, partitionIndexes: array(int32) })), 2), {
    until: 7,
    default: [],
  }),
  /** From version 8 on: many groups; null topics: all. */
  groups: field(
    array(
      struct({
        groupId: string,
        topics: nullable(array(struct({ name: string, partitionIndexes: array(int32) })), 8),
      }),
    ),
    { since: 8, default: [] },
  ),
  requireStable: field(bool, { since: 7, default: false }),
});

export const offsetFetchResponse = struct({
  throttleTimeMs: throttleTimeMs(3),
  topics: field(
    array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            committedOffset: int64,
            committedLeaderEpoch: field(int32, { since: 5, default: -1 }),
            metadata: nullable(string),
            errorCode: int16,
          }),
        ),
      }),
    ),
    { until: 7, default: [] },
  ),
  errorCode: field(int16, { since: 2, until: 7, default: 0 }),
  groups: field(
    array(
      struct({
        groupId: string,
        topics: array(
          struct({
            name: string,
            partitions: array(
              struct({
                partitionIndex: int32,
                committedOffset: int64,
                committedLeaderEpoch: field(int32, { default: -1 }),
                metadata: nullable(string),
                errorCode: int16,
              }),
            ),
          }),
        ),
        errorCode: field(int16, { default: 0 }),
      }),
    ),
    { since: 8, default: [] },
  ),
});

export type OffsetFetchRequest = Decoded<typeof offsetFetchRequest>;
export type OffsetFetchResponse = Encodable<typeof offsetFetchResponse>;
