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

export const describeUserScramCredentialsRequest = struct({
  /** Null or empty: all. */
  users: nullable(array(struct({ name: string }))),
});

export const describeUserScramCredentialsResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  errorCode: int16,
  errorMessage: field(nullable(string), { default: null }),
  results: array(
    struct({
      user: string,
      errorCode: int16,
      errorMessage: field(nullable(string), { default: null }),
      /** Mechanism: 1 SCRAM-SHA-256, 2 SCRAM-SHA-512. */
      credentialInfos: array(struct({ mechanism: int8, iterations: int32 })),
    }),
  ),
});

export type DescribeUserScramCredentialsRequest = Decoded<typeof describeUserScramCredentialsRequest>;
export type DescribeUserScramCredentialsResponse = Encodable<typeof describeUserScramCredentialsResponse>;
