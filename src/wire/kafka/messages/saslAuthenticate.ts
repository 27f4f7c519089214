import { bytes, type Decoded, type Encodable, field, int16, int64, nullable, string, struct } from '../schema/types.ts';

export const saslAuthenticateRequest = struct({ authBytes: bytes });

export const saslAuthenticateResponse = struct({
  errorCode: int16,
  errorMessage: field(nullable(string), { default: null }),
  authBytes: bytes,
  sessionLifetimeMs: field(int64, { since: 1, default: 0 }),
});

export type SaslAuthenticateRequest = Decoded<typeof saslAuthenticateRequest>;
export type SaslAuthenticateResponse = Encodable<typeof saslAuthenticateResponse>;
