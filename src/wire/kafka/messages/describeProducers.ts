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

export const describeProducersRequest = struct({
  topics: array(struct({ name: string, partitionIndexes: array(int32) })),
});

export const describeProducersResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  topics: array(
    struct({
      name: string,
      partitions: array(
        struct({
          partitionIndex: int32,
          errorCode: int16,
          errorMessage: field(nullable(string), { default: null }),
          activeProducers: array(
            struct({
              producerId: int64,
              /** An int32 here, as nowhere else. */
              producerEpoch: int32,
              lastSequence: field(int32, { default: -1 }),
              lastTimestamp: field(int64, { default: -1 }),
              coordinatorEpoch: int32,
              currentTxnStartOffset: field(int64, { default: -1 }),
            }),
          ),
        }),
      ),
    }),
  ),
});

export type DescribeProducersRequest = Decoded<typeof describeProducersRequest>;
export type DescribeProducersResponse = Encodable<typeof describeProducersResponse>;
