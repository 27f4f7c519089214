import {
  array,
  bool,
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

export const createPartitionsRequest = struct({
  topics: array(
    struct({
      name: string,
      /** The new total. */
      count: int32,
      assignments: field(nullable(array(struct({ brokerIds: array(int32) }))), { default: null }),
    }),
  ),
  timeoutMs: int32,
  validateOnly: field(bool, { default: false }),
});

export const createPartitionsResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  results: array(struct({ name: string, errorCode: int16, errorMessage: field(nullable(string), { default: null }) })),
});

export type CreatePartitionsRequest = Decoded<typeof createPartitionsRequest>;
export type CreatePartitionsResponse = Encodable<typeof createPartitionsResponse>;
