import {
  array,
  bool,
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

export const incrementalAlterConfigsRequest = struct({
  resources: array(
    struct({
      resourceType: int8,
      resourceName: string,
      /** Operation: 0 set, 1 delete, 2 append, 3 subtract. */
      configs: array(struct({ name: string, configOperation: int8, value: nullable(string) })),
    }),
  ),
  validateOnly: field(bool, { default: false }),
});

export const incrementalAlterConfigsResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  responses: array(
    struct({
      errorCode: int16,
      errorMessage: field(nullable(string), { default: null }),
      resourceType: int8,
      resourceName: string,
    }),
  ),
});

export type IncrementalAlterConfigsRequest = Decoded<typeof incrementalAlterConfigsRequest>;
export type IncrementalAlterConfigsResponse = Encodable<typeof incrementalAlterConfigsResponse>;
