import {
  array,
  type Decoded,
  type Encodable,
  int16,
  int32,
  int64,
  string,
  struct,
  throttleTimeMs,
} from '../schema/types.ts';

export const describeTransactionsRequest = struct({ transactionalIds: array(string) });

export const describeTransactionsResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  transactionStates: array(
    struct({
      errorCode: int16,
      transactionalId: string,
      transactionState: string,
      transactionTimeoutMs: int32,
      transactionStartTimeMs: int64,
      producerId: int64,
      producerEpoch: int16,
      topics: array(struct({ topic: string, partitions: array(int32) })),
    }),
  ),
});

export type DescribeTransactionsRequest = Decoded<typeof describeTransactionsRequest>;
export type DescribeTransactionsResponse = Encodable<typeof describeTransactionsResponse>;
