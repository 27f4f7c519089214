import {
  array,
  bool,
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

export const joinGroupRequest = struct({
  groupId: string,
  sessionTimeoutMs: int32,
  /** -1 in version 0, where the session time-out counts for both. */
  rebalanceTimeoutMs: field(int32, { since: 1, default: -1 }),
  memberId: string,
  groupInstanceId: field(nullable(string, 5), { since: 5, default: null }),
  protocolType: string,
  protocols: array(struct({ name: string, metadata: bytes })),
  reason: field(nullable(string, 8), { since: 8, default: null }),
});

export const joinGroupResponse = struct({
  throttleTimeMs: throttleTimeMs(2),
  errorCode: int16,
  generationId: field(int32, { default: -1 }),
  protocolType: field(nullable(string, 7), { since: 7, default: null }),
  /** Null only from version 7 on: earlier ones are sent an empty name. */
  protocolName: nullable(string, 7),
  leader: string,
  skipAssignment: field(bool, { since: 9, default: false }),
  memberId: string,
  members: array(
    struct({
      memberId: string,
      groupInstanceId: field(nullable(string, 5), { since: 5, default: null }),
      metadata: bytes,
    }),
  ),
});

export type JoinGroupRequest = Decoded<typeof joinGroupRequest>;
export type JoinGroupResponse = Encodable<typeof joinGroupResponse>;
