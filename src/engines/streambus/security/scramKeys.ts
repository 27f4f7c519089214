import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import type { ScramCredential } from '../meta/metadata.ts';

export type ScramMechanism = ScramCredential['mechanism'];

const text = new TextEncoder();

/** Fewest iterations of a stored credential: RFC 7677 §4. */
export const minIterations = 4_096;
/** Most iterations: checking a password blocks the event loop for their time. */
export const maxIterations = 16_384;

function hashName(mechanism: ScramMechanism): 'sha256' | 'sha512' {
  return mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512';
}

/** HMAC(key, message) with the mechanism's hash. */
export function scramHmac(mechanism: ScramMechanism, key: Uint8Array, message: string): Uint8Array {
  return new Uint8Array(createHmac(hashName(mechanism), key).update(message).digest());
}

/** H(bytes) with the mechanism's hash. */
export function scramHash(mechanism: ScramMechanism, bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash(hashName(mechanism)).update(bytes).digest());
}

/** Bytes of the mechanism's hash. */
export function scramHashBytes(mechanism: ScramMechanism): number {
  return mechanism === 'SCRAM-SHA-256' ? 32 : 64;
}

/** Hi(password, salt, iterations): RFC 5802 §2.2. Blocks for a millisecond or so a thousand iterations. */
export function saltedPassword(
  mechanism: ScramMechanism,
  password: string,
  salt: Uint8Array,
  iterations: number,
): Uint8Array {
  return new Uint8Array(
    pbkdf2Sync(text.encode(password), salt, iterations, scramHashBytes(mechanism), hashName(mechanism)),
  );
}

/** What is stored of a salted password: RFC 5802 §3. Nobody can log in with it, a client's proof can be checked against it. */
export function credentialOfSalted(
  mechanism: ScramMechanism,
  salted: Uint8Array,
  salt: Uint8Array,
  iterations: number,
): ScramCredential {
  return {
    mechanism,
    iterations,
    salt,
    storedKey: scramHash(mechanism, scramHmac(mechanism, salted, 'Client Key')),
    serverKey: scramHmac(mechanism, salted, 'Server Key'),
  };
}

/** The credential of a password, to store. */
export function credentialOf(
  mechanism: ScramMechanism,
  password: string,
  salt: Uint8Array,
  iterations: number,
): ScramCredential {
  return credentialOfSalted(mechanism, saltedPassword(mechanism, password, salt, iterations), salt, iterations);
}
