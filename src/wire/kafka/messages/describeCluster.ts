import {
  array,
  bool,
  type Decoded,
  type Encodable,
  field,
  int8,
  int16,
  int32,
  nullable,
  string,
  struct,
  throttleTimeMs,
} from '../schema/types.ts';

export const describeClusterRequest = struct({
  includeClusterAuthorizedOperations: field(bool, { default: false }),
  /** 1 brokers, 2 controllers. */
  endpointType: field(int8, { since: 1, default: 1 }),
});

export const describeClusterResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  errorCode: int16,
  errorMessage: field(nullable(string), { default: null }),
  endpointType: field(int8, { since: 1, default: 1 }),
  clusterId: string,
  controllerId: field(int32, { default: -1 }),
  brokers: array(
    struct({ brokerId: int32, host: string, port: int32, rack: field(nullable(string), { default: null }) }),
  ),
  clusterAuthorizedOperations: field(int32, { default: -2147483648 }),
});

export type DescribeClusterRequest = Decoded<typeof describeClusterRequest>;
export type DescribeClusterResponse = Encodable<typeof describeClusterResponse>;
