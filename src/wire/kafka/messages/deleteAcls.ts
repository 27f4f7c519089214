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

export const deleteAclsRequest = struct({
  filters: array(
    struct({
      resourceTypeFilter: int8,
      resourceNameFilter: nullable(string),
      patternTypeFilter: field(int8, { since: 1, default: 3 }),
      principalFilter: nullable(string),
      hostFilter: nullable(string),
      operation: int8,
      permissionType: int8,
    }),
  ),
});

export const deleteAclsResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  filterResults: array(
    struct({
      errorCode: int16,
      errorMessage: field(nullable(string), { default: null }),
      matchingAcls: array(
        struct({
          errorCode: int16,
          errorMessage: field(nullable(string), { default: null }),
          resourceType: int8,
          resourceName: string,
          patternType: field(int8, { since: 1, default: 3 }),
          principal: string,
          host: string,
          operation: int8,
          permissionType: int8,
        }),
      ),
    }),
  ),
});

export type DeleteAclsRequest = Decoded<typeof deleteAclsRequest>;
export type DeleteAclsResponse = Encodable<typeof deleteAclsResponse>;
