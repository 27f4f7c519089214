import { array, type Decoded, type Encodable, int16, string, struct, throttleTimeMs } from '../schema/types.ts';

export const deleteGroupsRequest = struct({ groupsNames: array(string) });

export const deleteGroupsResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  results: array(struct({ groupId: string, errorCode: int16 })),
});

export type DeleteGroupsRequest = Decoded<typeof deleteGroupsRequest>;
export type DeleteGroupsResponse = Encodable<typeof deleteGroupsResponse>;
