import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock, Millis } from '../../../host/clock.ts';
import type { ScramCredential } from '../meta/metadata.ts';
import { Decoys } from './decoys.ts';
import { FailureLimit } from './failureLimit.ts';
import { networkOf } from './networkOf.ts';
import { credentialOf } from './scramKeys.ts';

/** Wrong passwords for one user from one address: so many at once, then one each so often. */
const pairBurst = 5;
const pairEveryMs: Millis = 1_000;
/** Of one address (of IPv6: one /64), for whatever users: more than for one of them, since many may share it and mistype, and one may try many names. */
const addressBurst = 10;
const addressEveryMs: Millis = 500;
/** Of all addresses together: at 15 ms for the costliest credential a fifth of the event loop at most, a thirtieth for a usual one. */
const allBurst = 20;
const allEveryMs: Millis = 75;
/** Of the limit of all this much is kept for addresses that have not failed of late, whatever names come from the others. */
const allReserved = 10;
/**
 * Pairs, and addresses, whose failures are counted; beyond it the one that failed longest ago is forgotten. It has nothing left to forget:
 * a failure counts for 5 s at most (`burst` × `every`), within which the limit of all lets 20 + 67 of them come.
 */
const maxCounted = 1_000;
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
  readonly #decoys: Pick<Decoys, 'forPlain'>;
  /** Keyed hash of credential and password by user: the newest that was right. */
  readonly #verified = new Map<string, Uint8Array>();
  readonly #pairs = new Map<string, FailureLimit>();
  readonly #addresses = new Map<string, FailureLimit>();
  readonly #all = new FailureLimit(allBurst, allEveryMs);

  /**
   * `key`: secret of this process; what is remembered says nothing without it. `hash`: the costly part. `decoys`: what a password for a
   * user who does not exist is hashed with.
   */
  constructor(
    clock: Clock,
    key: Uint8Array,
    hash = credentialOf,
    decoys: Pick<Decoys, 'forPlain'> = new Decoys(clock, key, () => []),
  ) {
    this.#clock = clock;
    this.#key = key;
    this.#hash = hash;
    this.#decoys = decoys;
  }

  /**
   * Whether `password` is that of the credential; undefined: there is no such user, which costs what a wrong password costs for one of the
   * cluster's users and is told as it is. A user who was verified pays no limit until the credential changes; one who was not, and shares
   * his address with somebody who keeps failing, has to wait with him.
   */
  check(user: string, password: string, stored: ScramCredential | undefined, address: string): PasswordVerdict {
    const mark = this.#markOf(password, stored);
    const known = this.#verified.get(user);
    if (stored !== undefined && known !== undefined && timingSafeEqual(known, mark)) return 'right';
    const now = this.#clock.now();
    const source = networkOf(address);
    const pair = `${source}\0${user}`;
    const ofAddress = this.#addresses.get(source);
    const isFresh = ofAddress === undefined || ofAddress.isFresh(now);
    const isBorne =
      this.#all.hasRoom(now, isFresh ? 0 : allReserved) &&
      ofAddress?.hasRoom(now) !== false &&
      this.#pairs.get(pair)?.hasRoom(now) !== false;
    if (!isBorne) return 'too-many-failures';
    const { mechanism, salt, iterations } = stored ?? this.#decoys.forPlain(user);
    const given = this.#hash(mechanism, password, salt, iterations);
    if (stored === undefined || !timingSafeEqual(given.storedKey, stored.storedKey)) {
      this.#all.count(now);
      countFor(this.#addresses, source, now, addressBurst, addressEveryMs);
      countFor(this.#pairs, pair, now, pairBurst, pairEveryMs);
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
}

function countFor(limits: Map<string, FailureLimit>, name: string, now: Millis, burst: number, everyMs: Millis): void {
  const limit = limits.get(name) ?? new FailureLimit(burst, everyMs);
  limit.count(now);
  // Behind all others: the one that failed longest ago is first.
  limits.delete(name);
  limits.set(name, limit);
  dropOldest(limits, maxCounted);
}

function dropOldest(map: Map<string, unknown>, most: number): void {
  for (const name of map.keys()) {
    if (map.size <= most) break;
    map.delete(name);
  }
}
