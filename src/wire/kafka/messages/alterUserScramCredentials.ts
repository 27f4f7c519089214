import {
  array,
  bytes,
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

export const alterUserScramCredentialsRequest = struct({
  deletions: array(struct({ name: string, mechanism: int8 })),
  /** Mechanism: 1 SCRAM-SHA-256, 2 SCRAM-SHA-512. */
  upsertions: array(struct({ name: string, mechanism: int8, iterations: int32, salt: bytes, saltedPassword: bytes })),
});

export const alterUserScramCredentialsResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  results: array(struct({ user: string, errorCode: int16, errorMessage: field(nullable(string), { default: null }) })),
});

export type AlterUserScramCredentialsRequest = Decoded<typeof alterUserScramCredentialsRequest>;
export type AlterUserScramCredentialsResponse = Encodable<typeof alterUserScramCredentialsResponse>;
