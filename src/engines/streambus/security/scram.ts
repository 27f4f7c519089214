import { timingSafeEqual } from 'node:crypto';
import type { ScramCredential } from '../meta/metadata.ts';
import type { Decoys } from './decoys.ts';
import { type ScramMechanism, scramHash, scramHashBytes, scramHmac } from './scramKeys.ts';

/** A step of an exchange: what goes back to the client, and whether it is over. */
export type SaslStep =
  | { readonly kind: 'continue'; readonly reply: Uint8Array }
  | { readonly kind: 'done'; readonly reply: Uint8Array; readonly user: string }
  | { readonly kind: 'failed'; readonly reason: string };

/** One exchange with one client: takes its messages in turn. */
export interface SaslExchange {
  step(message: Uint8Array): SaslStep;
}

export interface ScramServerOptions {
  readonly mechanism: ScramMechanism;
  /** Undefined: no such user, or none with this mechanism. */
  readonly credential: (user: string) => ScramCredential | undefined;
  /** Printable, without commas; new for each exchange. */
  readonly nonce: string;
  /** Key of the answers for users who do not exist: they must look like those of users who do. */
  readonly decoyKey: Uint8Array;
  /** Salt and iterations for them. */
  readonly decoys: Pick<Decoys, 'forScram'>;
}

const decoder = new TextDecoder('utf-8', { fatal: true });
const encoder = new TextEncoder();
/** Longest message that is looked at: names and nonces are short. */
const maxMessageBytes = 4_096;

const failed = (reason: string): SaslStep => ({ kind: 'failed', reason });

/**
 * The server's side of SCRAM (RFC 5802, RFC 7677), without channel binding. A user who does not exist is told so only after
 * the proof, in the words of a wrong password.
 */
export function createScramServer(options: ScramServerOptions): SaslExchange {
  const { mechanism } = options;
  let first: { header: string; bare: string; nonce: string; user: string; serverFirst: string } | undefined;
  let credential: ScramCredential | undefined;
  let isOver = false;

  function begin(message: string): SaslStep {
    const parsed = parseClientFirst(message);
    if (typeof parsed === 'string') return failed(parsed);
    credential = options.credential(parsed.user);
    const { salt, iterations } = credential ?? options.decoys.forScram(parsed.user, mechanism);
    const nonce = `${parsed.nonce}${options.nonce}`;
    const serverFirst = `r=${nonce},s=${Buffer.from(salt).toString('base64')},i=${iterations}`;
    first = { ...parsed, nonce, serverFirst };
    return { kind: 'continue', reply: encoder.encode(serverFirst) };
  }

  function finish(message: string): SaslStep {
    if (first === undefined) throw new Error('the last message of SCRAM is looked at after the first');
    const match = /^c=([A-Za-z0-9+/=]+),r=([^,]+)(?:,[^,]+)*,p=([A-Za-z0-9+/=]+)$/.exec(message);
    if (match === null) return failed('expected c=…,r=…,p=… as the last message of SCRAM');
    const [, binding = '', nonce = '', proofText = ''] = match;
    if (Buffer.from(binding, 'base64').toString('latin1') !== first.header) {
      return failed('the channel binding is not the one of the first message');
    }
    // librdkafka before 2.8.0 puts its own nonce before it once more; Kafka takes that too, and checks the end (CVE-2024-56128).
    if (!nonce.endsWith(first.nonce)) return failed('the nonce is not the one that was given');
    const withoutProof = message.slice(0, message.lastIndexOf(',p='));
    const authMessage = `${first.bare},${first.serverFirst},${withoutProof}`;
    const proof = Buffer.from(proofText, 'base64');
    if (proof.length !== scramHashBytes(mechanism)) return failed('authentication failed');
    const storedKey = credential?.storedKey ?? scramHash(mechanism, options.decoyKey);
    const signature = scramHmac(mechanism, storedKey, authMessage);
    const clientKey = proof.map((byte, at) => byte ^ (signature[at] ?? 0));
    const isRight = timingSafeEqual(scramHash(mechanism, clientKey), storedKey);
    if (!isRight || credential === undefined) return failed('authentication failed');
    const verifier = Buffer.from(scramHmac(mechanism, credential.serverKey, authMessage)).toString('base64');
    return { kind: 'done', reply: encoder.encode(`v=${verifier}`), user: first.user };
  }

  return {
    step(bytes) {
      if (isOver) return failed('the exchange is over');
      const message = decode(bytes);
      const result =
        message === undefined
          ? failed(`expected a message of UTF-8, at most ${maxMessageBytes} bytes`)
          : first === undefined
            ? begin(message)
            : finish(message);
      isOver = result.kind !== 'continue';
      return result;
    },
  };
}

function decode(bytes: Uint8Array): string | undefined {
  if (bytes.length > maxMessageBytes) return undefined;
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The parts of `n,,n=user,r=nonce`; a text says what is wrong. */
function parseClientFirst(
  message: string,
): { readonly header: string; readonly bare: string; readonly nonce: string; readonly user: string } | string {
  const match = /^([ny]|p=[^,]*),(?:a=([^,]*))?,(n=([^,]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?)$/.exec(message);
  if (match === null) return 'expected n,,n=…,r=… as the first message of SCRAM';
  const [, flag = '', authorized, bare = '', name = '', nonce = ''] = match;
  if (flag.startsWith('p=')) return 'channel binding is not offered';
  const user = decodeName(name);
  if (user === undefined) return 'expected =2C for a comma and =3D for an equals sign in the name';
  if (authorized !== undefined && decodeName(authorized) !== user) return 'acting for another user is not offered';
  return { header: message.slice(0, message.length - bare.length), bare, nonce, user };
}

function decodeName(name: string): string | undefined {
  if (/=(?!2C|3D)/.test(name)) return undefined;
  return name.replaceAll('=2C', ',').replaceAll('=3D', '=');
}
