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

export const describeAclsRequest = struct({
  resourceTypeFilter: int8,
  resourceNameFilter: nullable(string),
  /** 1 any, 2 match, 3 literal, 4 prefixed. */
  patternTypeFilter: field(int8, { since: 1, default: 3 }),
  principalFilter: nullable(string),
  hostFilter: nullable(string),
  operation: int8,
  permissionType: int8,
});

export const describeAclsResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  errorCode: int16,
  errorMessage: field(nullable(string), { default: null }),
  resources: array(
    struct({
      resourceType: int8,
      resourceName: string,
      patternType: field(int8, { since: 1, default: 3 }),
      acls: array(struct({ principal: string, host: string, operation: int8, permissionType: int8 })),
    }),
  ),
});

export type DescribeAclsRequest = Decoded<typeof describeAclsRequest>;
export type DescribeAclsResponse = Encodable<typeof describeAclsResponse>;
