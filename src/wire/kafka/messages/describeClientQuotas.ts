import {
  array,
  bool,
  type Decoded,
  type Encodable,
  field,
  float64,
  int8,
  int16,
  nullable,
  string,
  struct,
  throttleTimeMs,
} from '../schema/types.ts';

export const describeClientQuotasRequest = struct({
  components: array(
    struct({
      /** `user`, `client-id` or `ip`. */
      entityType: string,
      /** 0 exact name, 1 the default, 2 any. */
      matchType: int8,
      match: nullable(string),
    }),
  ),
  /** Only entities without further components. */
  strict: bool,
});

export const describeClientQuotasResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  errorCode: int16,
  errorMessage: field(nullable(string), { default: null }),
  entries: nullable(
    array(
      struct({
        /** Null name: the default. */
        entity: array(struct({ entityType: string, entityName: nullable(string) })),
        values: array(struct({ key: string, value: float64 })),
      }),
    ),
  ),
});

export type DescribeClientQuotasRequest = Decoded<typeof describeClientQuotasRequest>;
export type DescribeClientQuotasResponse = Encodable<typeof describeClientQuotasResponse>;
