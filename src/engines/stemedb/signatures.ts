import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { Clock } from '../../host/clock.ts';
import type { Prepared } from './content.ts';
import { StemeError } from './errors.ts';

/** Verifications in one turn of the event loop: 16 × 108 µs, so that nothing else waits more than 2 ms for them. */
const VERIFICATIONS_PER_TURN = 16;

/** DER of an Ed25519 public key up to its 32 bytes (RFC 8410). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

export type SignaturePolicy = 'if_present' | 'require' | 'off';

/**
 * Checks the signatures of records. `off` checks nothing; `if_present` what is there; `require` also asks for one, by
 * the record's agent where it names one. A signature is Ed25519 over the 32 bytes of the id.
 */
export interface SignatureVerifier {
  /** Undefined, or why the signatures of the record will not do. Waits for its turn when many are checked. */
  check(record: Prepared): Promise<StemeError | undefined>;
  /** Whether `check` has something to verify: if not, the caller may skip it and its promise. */
  needed(record: Prepared): boolean;
}

/** A verifier that shares its turns among all callers. */
export function createSignatureVerifier(clock: Clock, policy: SignaturePolicy): SignatureVerifier {
  let verifiedThisTurn = 0;
  let turn: Promise<void> | undefined;

  async function takeTurn(): Promise<void> {
    while (verifiedThisTurn >= VERIFICATIONS_PER_TURN) await nextTurn();
    verifiedThisTurn++;
    void nextTurn();
  }

  function nextTurn(): Promise<void> {
    turn ??= new Promise((resolve) => {
      clock.timer(0, () => {
        turn = undefined;
        verifiedThisTurn = 0;
        resolve();
      });
    });
    return turn;
  }

  async function check(record: Prepared): Promise<StemeError | undefined> {
    if (policy === 'off') return undefined;
    for (const { key, signature } of record.signatures) {
      await takeTurn();
      if (!verifyEd25519(key, Buffer.from(record.id, 'hex'), signature)) {
        return new StemeError(
          'SIGNATURE_INVALID',
          `expected a signature of key ${key} over id ${record.id}, got one that does not verify`,
        );
      }
    }
    if (policy !== 'require') return undefined;
    const agent = 'agent' in record.content ? record.content.agent : undefined;
    if (record.type !== 4 && agent !== undefined && !record.signatures.some(({ key }) => key === agent)) {
      return new StemeError(
        'SIGNATURE_INVALID',
        `expected a signature by the agent ${agent}, got ${record.signatures.length} by others`,
      );
    }
    if (record.signatures.length === 0) {
      return new StemeError(
        'SIGNATURE_INVALID',
        'expected at least one signature, got none: assert.signatures is "require"',
      );
    }
    return undefined;
  }

  return {
    check,
    needed: (record) => policy === 'require' || (policy === 'if_present' && record.signatures.length > 0),
  };
}

/** Whether `signature` (128 hexadecimal digits) of `key` (64) over `message` verifies. A key that is no point does not. */
export function verifyEd25519(key: string, message: Uint8Array, signature: string): boolean {
  let publicKey: KeyObject;
  try {
    publicKey = createPublicKey({
      key: Buffer.concat([SPKI_PREFIX, Buffer.from(key, 'hex')]),
      format: 'der',
      type: 'spki',
    });
  } catch {
    return false;
  }
  return verify(null, message, publicKey, Buffer.from(signature, 'hex'));
}
