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

export const describeConfigsRequest = struct({
  resources: array(
    struct({
      /** 2 topic, 4 broker, 8 broker logger. */
      resourceType: int8,
      resourceName: string,
      /** Null: all. */
      configurationKeys: nullable(array(string)),
    }),
  ),
  includeSynonyms: field(bool, { since: 1, default: false }),
  includeDocumentation: field(bool, { since: 3, default: false }),
});

export const describeConfigsResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  results: array(
    struct({
      errorCode: int16,
      errorMessage: field(nullable(string), { default: null }),
      resourceType: int8,
      resourceName: string,
      configs: array(
        struct({
          name: string,
          value: nullable(string),
          readOnly: bool,
          isDefault: field(bool, { until: 0, default: false }),
          /** 1 topic, 2 dynamic broker, 4 static broker, 5 default. */
          configSource: field(int8, { since: 1, default: -1 }),
          isSensitive: bool,
          synonyms: field(array(struct({ name: string, value: nullable(string), source: int8 })), {
            since: 1,
            default: [],
          }),
          /** 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password. */
          configType: field(int8, { since: 3, default: 0 }),
          documentation: field(nullable(string), { since: 3, default: null }),
        }),
      ),
    }),
  ),
});

export type DescribeConfigsRequest = Decoded<typeof describeConfigsRequest>;
export type DescribeConfigsResponse = Encodable<typeof describeConfigsResponse>;
