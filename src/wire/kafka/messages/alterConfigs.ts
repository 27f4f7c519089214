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

export const alterConfigsRequest = struct({
  resources: array(
    struct({
      resourceType: int8,
      resourceName: string,
      configs: array(struct({ name: string, value: nullable(string) })),
    }),
  ),
  validateOnly: field(bool, { default: false }),
});

export const alterConfigsResponse = struct({
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

export type AlterConfigsRequest = Decoded<typeof alterConfigsRequest>;
export type AlterConfigsResponse = Encodable<typeof alterConfigsResponse>;
