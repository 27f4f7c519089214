import { array, type Decoded, type Encodable, int16, int32, string, struct, throttleTimeMs } from '../schema/types.ts';

export const offsetDeleteRequest = struct({
  groupId: string,
  topics: array(struct({ name: string, partitions: array(struct({ partitionIndex: int32 })) })),
});

export const offsetDeleteResponse = struct({
  errorCode: int16,
  throttleTimeMs: throttleTimeMs(0),
  topics: array(struct({ name: string, partitions: array(struct({ partitionIndex: int32, errorCode: int16 })) })),
});

export type OffsetDeleteRequest = Decoded<typeof offsetDeleteRequest>;
export type OffsetDeleteResponse = Encodable<typeof offsetDeleteResponse>;
