import { array, type Decoded, type Encodable, int16, int32, string, struct, throttleTimeMs } from '../schema/types.ts';
import { partitionErrors } from './partitionErrors.ts';

export const offsetDeleteRequest = struct({
  groupId: string,
  topics: array(struct({ name: string, partitions: array(struct({ partitionIndex: int32 })) })),
});

export const offsetDeleteResponse = struct({
  errorCode: int16,
  throttleTimeMs: throttleTimeMs(0),
  topics: partitionErrors,
});

export type OffsetDeleteRequest = Decoded<typeof offsetDeleteRequest>;
export type OffsetDeleteResponse = Encodable<typeof offsetDeleteResponse>;
