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
  uuid,
  zeroUuid,
} from '../schema/types.ts';

export const createTopicsRequest = struct({
  topics: array(
    struct({
      name: string,
      /** -1: the broker's default, or the assignments say. */
      numPartitions: int32,
      replicationFactor: int16,
      assignments: field(array(struct({ partitionIndex: int32, brokerIds: array(int32) })), { default: [] }),
      configs: field(array(struct({ name: string, value: nullable(string) })), { default: [] }),
    }),
  ),
  timeoutMs: field(int32, { default: 60_000 }),
  validateOnly: field(bool, { since: 1, default: false }),
});

export const createTopicsResponse = struct({
  throttleTimeMs: throttleTimeMs(2),
  topics: array(
    struct({
      name: string,
      topicId: field(uuid, { since: 7, default: zeroUuid }),
      errorCode: int16,
      errorMessage: field(nullable(string, 1), { since: 1, default: null }),
      /** Why `configs` is null, when it is. */
      topicConfigErrorCode: field(int16, { since: 5, tag: 0, default: 0 }),
      numPartitions: field(int32, { since: 5, default: -1 }),
      replicationFactor: field(int16, { since: 5, default: -1 }),
      configs: field(
        nullable(
          array(
            struct({
              name: string,
              value: nullable(string),
              readOnly: bool,
              configSource: field(int8, { default: -1 }),
              isSensitive: bool,
            }),
          ),
          5,
        ),
        { since: 5, default: [] },
      ),
    }),
  ),
});

export type CreateTopicsRequest = Decoded<typeof createTopicsRequest>;
export type CreateTopicsResponse = Encodable<typeof createTopicsResponse>;
