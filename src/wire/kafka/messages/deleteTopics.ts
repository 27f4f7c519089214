import {
  array,
  type Decoded,
  type Encodable,
  field,
  int16,
  int32,
  nullable,
  string,
  struct,
  throttleTimeMs,
  uuid,
  zeroUuid,
} from '../schema/types.ts';

export const deleteTopicsRequest = struct({
  /** From version 6 on: by name, or by id where the name is null. */
  topics: field(array(struct({ name: nullable(string, 6), topicId: field(uuid, { default: zeroUuid }) })), {
    since: 6,
    default: [],
  }),
  topicNames: field(array(string), { until: 5, default: [] }),
  timeoutMs: int32,
});

export const deleteTopicsResponse = struct({
  throttleTimeMs: throttleTimeMs(1),
  responses: array(
    struct({
      name: nullable(string, 6),
      topicId: field(uuid, { since: 6, default: zeroUuid }),
      errorCode: int16,
      errorMessage: field(nullable(string, 5), { since: 5, default: null }),
    }),
  ),
});

export type DeleteTopicsRequest = Decoded<typeof deleteTopicsRequest>;
export type DeleteTopicsResponse = Encodable<typeof deleteTopicsResponse>;
