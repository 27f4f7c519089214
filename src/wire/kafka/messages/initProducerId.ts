import {
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

export const initProducerIdRequest = struct({
  transactionalId: nullable(string),
  transactionTimeoutMs: int32,
  producerId: field(int64, { since: 3, default: -1 }),
  producerEpoch: field(int16, { since: 3, default: -1 }),
});

export const initProducerIdResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  errorCode: int16,
  producerId: field(int64, { default: -1 }),
  producerEpoch: field(int16, { default: -1 }),
});

export type InitProducerIdRequest = Decoded<typeof initProducerIdRequest>;
export type InitProducerIdResponse = Encodable<typeof initProducerIdResponse>;
