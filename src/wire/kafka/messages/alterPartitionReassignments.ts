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

export const alterPartitionReassignmentsRequest = struct({
  timeoutMs: field(int32, { default: 60_000 }),
  topics: array(
    struct({
      name: string,
      /** Null replicas: cancels what is under way. */
      partitions: array(struct({ partitionIndex: int32, replicas: field(nullable(array(int32)), { default: null }) })),
    }),
  ),
});

export const alterPartitionReassignmentsResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  errorCode: int16,
  errorMessage: field(nullable(string), { default: null }),
  responses: array(
    struct({
      name: string,
      partitions: array(
        struct({
          partitionIndex: int32,
          errorCode: int16,
          errorMessage: field(nullable(string), { default: null }),
        }),
      ),
    }),
  ),
});

export type AlterPartitionReassignmentsRequest = Decoded<typeof alterPartitionReassignmentsRequest>;
export type AlterPartitionReassignmentsResponse = Encodable<typeof alterPartitionReassignmentsResponse>;
