import {
  bool,
  type Decoded,
  type Encodable,
  field,
  int16,
  int64,
  string,
  struct,
  throttleTimeMs,
} from '../schema/types.ts';

export const endTxnRequest = struct({
  transactionalId: string,
  producerId: int64,
  producerEpoch: int16,
  /** True commits, false aborts. */
  committed: bool,
});

export const endTxnResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  errorCode: int16,
  /** What the producer goes on with (KIP-890). */
  producerId: field(int64, { since: 5, default: -1 }),
  producerEpoch: field(int16, { since: 5, default: -1 }),
});

export type EndTxnRequest = Decoded<typeof endTxnRequest>;
export type EndTxnResponse = Encodable<typeof endTxnResponse>;
