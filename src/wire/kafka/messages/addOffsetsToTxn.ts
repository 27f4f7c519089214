import { type Decoded, type Encodable, int16, int64, string, struct, throttleTimeMs } from '../schema/types.ts';

export const addOffsetsToTxnRequest = struct({
  transactionalId: string,
  producerId: int64,
  producerEpoch: int16,
  groupId: string,
});

export const addOffsetsToTxnResponse = struct({ throttleTimeMs: throttleTimeMs(0), errorCode: int16 });

export type AddOffsetsToTxnRequest = Decoded<typeof addOffsetsToTxnRequest>;
export type AddOffsetsToTxnResponse = Encodable<typeof addOffsetsToTxnResponse>;
