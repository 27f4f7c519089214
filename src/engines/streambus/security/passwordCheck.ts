import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock, Millis } from '../../../host/clock.ts';
import type { ScramCredential } from '../meta/metadata.ts';
import { FailureLimit } from './failureLimit.ts';
import { credentialOf } from './scramKeys.ts';

/** Wrong passwords for one user from one address: so many at once, then one each so often. */
const pairBurst = 5;
const pairEveryMs: Millis = 1_000;
/** Of all addresses together: at 15 ms for the costliest credential a fifth of the event loop at most, a thirtieth for a usual one. */
const allBurst = 20;
const allEveryMs: Millis = 75;
/** Of the limit of all this much is kept for pairs of address and user that have not failed of late. */
const allReserved = 10;
/** Pairs of address and user whose failures are counted; beyond it the one that failed first is forgotten, and the limit of all holds. */
const maxPairs = 10_000;
/** What a password for a user who does not exist is hashed with: the usual cost. */
const decoyIterations = 4_096;
/** Users whose password is remembered as verified; beyond it the one that was verified first pays again. */
const maxVerified = 10_000;

export type PasswordVerdict = 'right' | 'wrong' | 'too-many-failures';

/**
 * Checks passwords against stored SCRAM credentials. That costs thousands of hashes on the event loop, for anybody who can connect, so a
 * password that was right is known again by one hash, and who sends wrong ones is soon turned away unheard.
 */
export class PasswordCheck {
  readonly #clock: Clock;
  readonly #key: Uint8Array;
  readonly #hash: typeof credentialOf;
  /** Keyed hash of credential and password by user: the newest that was right. */
  readonly #verified = new Map<string, Uint8Array>();
  readonly #pairs = new Map<string, FailureLimit>();
  readonly #all = new FailureLimit(allBurst, allEveryMs);

  /** `key`: secret of this process; what is remembered says nothing without it. `hash`: the costly part. */
  constructor(clock: Clock, key: Uint8Array, hash = credentialOf) {
    this.#clock = clock;
    this.#key = key;
    this.#hash = hash;
  }

  /**
   * Whether `password` is that of the credential; undefined: there is no such user, which costs and is told as a wrong password is. A user
   * who was verified pays no limit until the credential changes.
   */
  check(user: string, password: string, stored: ScramCredential | undefined, address: string): PasswordVerdict {
    const mark = this.#markOf(password, stored);
    const known = this.#verified.get(user);
    if (stored !== undefined && known !== undefined && timingSafeEqual(known, mark)) return 'right';
    const now = this.#clock.now();
    const pair = `${address}\0${user}`;
    const own = this.#pairs.get(pair);
    const isFresh = own === undefined || own.isFresh(now);
    if (!this.#all.hasRoom(now, isFresh ? 0 : allReserved) || own?.hasRoom(now) === false) return 'too-many-failures';
    const { mechanism, salt, iterations } = stored ?? this.#decoyOf(user);
    const given = this.#hash(mechanism, password, salt, iterations);
    if (stored === undefined || !timingSafeEqual(given.storedKey, stored.storedKey)) {
      this.#all.count(now);
      this.#countFor(pair, own, now);
      return 'wrong';
    }
    this.#verified.delete(user);
    this.#verified.set(user, mark);
    dropOldest(this.#verified, maxVerified);
    return 'right';
  }

  /** The stored key is in it: with another password or salt of the user it is another one. */
  #markOf(password: string, stored: ScramCredential | undefined): Uint8Array {
    const storedKey = stored?.storedKey ?? this.#key;
    return createHmac('sha256', this.#key).update('verified').update(storedKey).update(password).digest();
  }

  #decoyOf(user: string): Pick<ScramCredential, 'mechanism' | 'salt' | 'iterations'> {
    const salt = createHmac('sha256', this.#key).update('decoy').update(user).digest().subarray(0, 16);
    return { mechanism: 'SCRAM-SHA-512', salt, iterations: decoyIterations };
  }

  #countFor(pair: string, known: FailureLimit | undefined, now: Millis): void {
    const limit = known === undefined || known.isFresh(now) ? new FailureLimit(pairBurst, pairEveryMs) : known;
    limit.count(now);
    this.#pairs.set(pair, limit);
    dropOldest(this.#pairs, maxPairs);
  }
}

function dropOldest(map: Map<string, unknown>, most: number): void {
  for (const name of map.keys()) {
    if (map.size <= most) break;
    map.delete(name);
  }
}
