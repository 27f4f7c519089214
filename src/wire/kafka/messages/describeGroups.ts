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

export const describeGroupsRequest = struct({
  groups: array(string),
  includeAuthorizedOperations: field(bool, { since: 3, default: false }),
});

export const describeGroupsResponse = struct({
  throttleTimeMs: throttleTimeMs(1),
  groups: array(
    struct({
      errorCode: int16,
      groupId: string,
      groupState: string,
      protocolType: string,
      protocolData: string,
      members: array(
        struct({
          memberId: string,
          groupInstanceId: field(nullable(string, 4), { since: 4, default: null }),
          clientId: string,
          clientHost: string,
          memberMetadata: bytes,
          memberAssignment: bytes,
        }),
      ),
      /** Bits by operation; the least int32 when they were not asked for. */
      authorizedOperations: field(int32, { since: 3, default: -2147483648 }),
    }),
  ),
});

export type DescribeGroupsRequest = Decoded<typeof describeGroupsRequest>;
export type DescribeGroupsResponse = Encodable<typeof describeGroupsResponse>;
