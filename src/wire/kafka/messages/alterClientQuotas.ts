import {
  array,
  bool,
  type Decoded,
  type Encodable,
  field,
  float64,
  int16,
  nullable,
  string,
  struct,
  throttleTimeMs,
} from '../schema/types.ts';

export const alterClientQuotasRequest = struct({
  entries: array(
    struct({
      entity: array(struct({ entityType: string, entityName: nullable(string) })),
      ops: array(
        struct({ key: string, value: field(float64, { default: 0 }), remove: field(bool, { default: false }) }),
      ),
    }),
  ),
  validateOnly: field(bool, { default: false }),
});

export const alterClientQuotasResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  entries: array(
    struct({
      errorCode: int16,
      errorMessage: field(nullable(string), { default: null }),
      entity: array(struct({ entityType: string, entityName: nullable(string) })),
    }),
  ),
});

export type AlterClientQuotasRequest = Decoded<typeof alterClientQuotasRequest>;
export type AlterClientQuotasResponse = Encodable<typeof alterClientQuotasResponse>;
