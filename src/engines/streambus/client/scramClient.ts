import { timingSafeEqual } from 'node:crypto';
import type { ScramMechanism } from '../security/scramKeys.ts';
import { maxIterations, minIterations, saltedPassword, scramHash, scramHmac } from '../security/scramKeys.ts';
import { ClientError } from './clientError.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** The client's side of one SCRAM exchange (RFC 5802, RFC 7677), without channel binding. */
export interface ScramClient {
  /** What is sent first. */
  first(): Uint8Array;
  /** Answers the server's challenge with the proof. */
  proof(serverFirst: Uint8Array): Uint8Array;
  /** Checks that the server knows the password, too. */
  verify(serverFinal: Uint8Array): void;
}

function refused(why: string): ClientError {
  return new ClientError('AUTHENTICATION', 'definite', `SCRAM: ${why}`);
}

/** `nonce`: printable, without commas, new for each exchange. Throws `ClientError` AUTHENTICATION. */
export function createScramClient(
  mechanism: ScramMechanism,
  user: string,
  password: string,
  nonce: string,
): ScramClient {
  const bare = `n=${user.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}`;
  let serverSignature: Uint8Array | undefined;

  return {
    first: () => encoder.encode(`n,,${bare}`),

    proof(bytes) {
      const serverFirst = decoder.decode(bytes);
      const match = /^r=([^,]+),s=([A-Za-z0-9+/=]+),i=(\d+)(?:,.*)?$/.exec(serverFirst);
      if (match === null) throw refused(`expected r=…,s=…,i=… as the challenge, got ${serverFirst}`);
      const [, fullNonce = '', salt = '', count = ''] = match;
      if (!fullNonce.startsWith(nonce) || fullNonce.length === nonce.length) {
        throw refused('the nonce of the server does not extend ours');
      }
      const iterations = Number(count);
      if (iterations < minIterations || iterations > maxIterations) {
        throw refused(`expected ${minIterations} to ${maxIterations} iterations, got ${count}`);
      }
      const salted = saltedPassword(mechanism, password, Buffer.from(salt, 'base64'), iterations);
      const clientKey = scramHmac(mechanism, salted, 'Client Key');
      const withoutProof = `c=biws,r=${fullNonce}`;
      const authMessage = `${bare},${serverFirst},${withoutProof}`;
      const signature = scramHmac(mechanism, scramHash(mechanism, clientKey), authMessage);
      const proof = Buffer.from(clientKey.map((byte, at) => byte ^ (signature[at] ?? 0))).toString('base64');
      serverSignature = scramHmac(mechanism, scramHmac(mechanism, salted, 'Server Key'), authMessage);
      return encoder.encode(`${withoutProof},p=${proof}`);
    },

    verify(bytes) {
      const match = /^v=([A-Za-z0-9+/=]+)/.exec(decoder.decode(bytes));
      const given = Buffer.from(match?.[1] ?? '', 'base64');
      if (serverSignature === undefined) throw refused('the last message came before the challenge');
      if (given.length !== serverSignature.length || !timingSafeEqual(given, serverSignature)) {
        throw refused('the server does not know the password: it is not who it says it is');
      }
    },
  };
}
