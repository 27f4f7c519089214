import {
  array,
  type Decoded,
  type Encodable,
  field,
  int8,
  int16,
  nullable,
  string,
  struct,
  throttleTimeMs,
} from '../schema/types.ts';

export const createAclsRequest = struct({
  creations: array(
    struct({
      resourceType: int8,
      resourceName: string,
      resourcePatternType: field(int8, { since: 1, default: 3 }),
      principal: string,
      host: string,
      operation: int8,
      permissionType: int8,
    }),
  ),
});

export const createAclsResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  results: array(struct({ errorCode: int16, errorMessage: field(nullable(string), { default: null }) })),
});

export type CreateAclsRequest = Decoded<typeof createAclsRequest>;
export type CreateAclsResponse = Encodable<typeof createAclsResponse>;
