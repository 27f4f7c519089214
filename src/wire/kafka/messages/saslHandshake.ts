import { array, type Decoded, type Encodable, int16, string, struct } from '../schema/types.ts';

export const saslHandshakeRequest = struct({ mechanism: string });

export const saslHandshakeResponse = struct({ errorCode: int16, mechanisms: array(string) });

export type SaslHandshakeRequest = Decoded<typeof saslHandshakeRequest>;
export type SaslHandshakeResponse = Encodable<typeof saslHandshakeResponse>;
