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

export const addPartitionsToTxnRequest = struct({
  transactionalId: string,
  producerId: int64,
  producerEpoch: int16,
  topics: array(struct({ name: string, partitions: array(int32) })),
});

export const addPartitionsToTxnResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  results: array(
    struct({ name: string, results: array(struct({ partitionIndex: int32, partitionErrorCode: int16 })) }),
  ),
});

export type AddPartitionsToTxnRequest = Decoded<typeof addPartitionsToTxnRequest>;
export type AddPartitionsToTxnResponse = Encodable<typeof addPartitionsToTxnResponse>;
