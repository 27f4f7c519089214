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

export const deleteRecordsRequest = struct({
  topics: array(
    struct({
      name: string,
      /** Offset -1: the high watermark. */
      partitions: array(struct({ partitionIndex: int32, offset: int64 })),
    }),
  ),
  timeoutMs: int32,
});

export const deleteRecordsResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  topics: array(
    struct({
      name: string,
      partitions: array(struct({ partitionIndex: int32, lowWatermark: int64, errorCode: int16 })),
    }),
  ),
});

export type DeleteRecordsRequest = Decoded<typeof deleteRecordsRequest>;
export type DeleteRecordsResponse = Encodable<typeof deleteRecordsResponse>;
