import {
  array,
  type Decoded,
  type Encodable,
  field,
  int16,
  nullable,
  string,
  struct,
  throttleTimeMs,
} from '../schema/types.ts';

export const leaveGroupRequest = struct({
  groupId: string,
  /** Up to version 2: one member. */
  memberId: field(string, { until: 2, default: '' }),
  members: field(
    array(
      struct({
        memberId: string,
        groupInstanceId: field(nullable(string, 3), { default: null }),
        reason: field(nullable(string, 5), { since: 5, default: null }),
      }),
    ),
    { since: 3, default: [] },
  ),
});

export const leaveGroupResponse = struct({
  throttleTimeMs: throttleTimeMs(1),
  errorCode: int16,
  members: field(
    array(
      struct({
        memberId: string,
        groupInstanceId: field(nullable(string, 3), { default: null }),
        errorCode: int16,
      }),
    ),
    { since: 3, default: [] },
  ),
});

export type LeaveGroupRequest = Decoded<typeof leaveGroupRequest>;
export type LeaveGroupResponse = Encodable<typeof leaveGroupResponse>;
