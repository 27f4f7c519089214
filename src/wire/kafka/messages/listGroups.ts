import { array, type Decoded, type Encodable, field, int16, string, struct, throttleTimeMs } from '../schema/types.ts';

export const listGroupsRequest = struct({
  /** Empty: all states. */
  statesFilter: field(array(string), { since: 4, default: [] }),
});

export const listGroupsResponse = struct({
  throttleTimeMs: throttleTimeMs(1),
  errorCode: int16,
  groups: array(
    struct({ groupId: string, protocolType: string, groupState: field(string, { since: 4, default: '' }) }),
  ),
});

export type ListGroupsRequest = Decoded<typeof listGroupsRequest>;
export type ListGroupsResponse = Encodable<typeof listGroupsResponse>;
