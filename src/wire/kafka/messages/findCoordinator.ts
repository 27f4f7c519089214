import {
  array,
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

export const findCoordinatorRequest = struct({
  /** Up to version 3: one key. */
  key: field(string, { until: 3, default: '' }),
  /** 0 a group, 1 a transactional id. */
  keyType: field(int8, { since: 1, default: 0 }),
  coordinatorKeys: field(array(string), { since: 4, default: [] }),
});

export const findCoordinatorResponse = struct({
  throttleTimeMs: throttleTimeMs(1),
  errorCode: field(int16, { until: 3, default: 0 }),
  errorMessage: field(nullable(string, 1), { since: 1, until: 3, default: null }),
  nodeId: field(int32, { until: 3, default: -1 }),
  host: field(string, { until: 3, default: '' }),
  port: field(int32, { until: 3, default: -1 }),
  coordinators: field(
    array(
      struct({
        key: string,
        nodeId: int32,
        host: string,
        port: int32,
        errorCode: int16,
        errorMessage: field(nullable(string), { default: null }),
      }),
    ),
    { since: 4, default: [] },
  ),
});

export type FindCoordinatorRequest = Decoded<typeof findCoordinatorRequest>;
export type FindCoordinatorResponse = Encodable<typeof findCoordinatorResponse>;
