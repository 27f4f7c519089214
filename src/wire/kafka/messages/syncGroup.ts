import {
  array,
  bytes,
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

export const syncGroupRequest = struct({
  groupId: string,
  generationId: int32,
  memberId: string,
  groupInstanceId: field(nullable(string, 3), { since: 3, default: null }),
  protocolType: field(nullable(string, 5), { since: 5, default: null }),
  protocolName: field(nullable(string, 5), { since: 5, default: null }),
  assignments: array(struct({ memberId: string, assignment: bytes })),
});

export const syncGroupResponse = struct({
  throttleTimeMs: throttleTimeMs(1),
  errorCode: int16,
  protocolType: field(nullable(string, 5), { since: 5, default: null }),
  protocolName: field(nullable(string, 5), { since: 5, default: null }),
  assignment: bytes,
});

export type SyncGroupRequest = Decoded<typeof syncGroupRequest>;
export type SyncGroupResponse = Encodable<typeof syncGroupResponse>;
