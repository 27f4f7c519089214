import {
  array,
  type Decoded,
  type Encodable,
  field,
  int16,
  int32,
  nullable,
  string,
  struct,
  throttleTimeMs,
} from '../schema/types.ts';

export const listPartitionReassignmentsRequest = struct({
  timeoutMs: field(int32, { default: 60_000 }),
  /** Null: all. */
  topics: field(nullable(array(struct({ name: string, partitionIndexes: array(int32) }))), { default: null }),
});

export const listPartitionReassignmentsResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  errorCode: int16,
  errorMessage: field(nullable(string), { default: null }),
  topics: array(
    struct({
      name: string,
      partitions: array(
        struct({
          partitionIndex: int32,
          replicas: array(int32),
          addingReplicas: array(int32),
          removingReplicas: array(int32),
        }),
      ),
    }),
  ),
});

export type ListPartitionReassignmentsRequest = Decoded<typeof listPartitionReassignmentsRequest>;
export type ListPartitionReassignmentsResponse = Encodable<typeof listPartitionReassignmentsResponse>;
