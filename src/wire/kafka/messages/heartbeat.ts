import {
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

export const heartbeatRequest = struct({
  groupId: string,
  generationId: int32,
  memberId: string,
  groupInstanceId: field(nullable(string, 3), { since: 3, default: null }),
});

export const heartbeatResponse = struct({
  throttleTimeMs: throttleTimeMs(1),
  errorCode: int16,
});

export type HeartbeatRequest = Decoded<typeof heartbeatRequest>;
export type HeartbeatResponse = Encodable<typeof heartbeatResponse>;
