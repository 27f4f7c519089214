import type { Commit } from './commit.ts';
import { StagedSubscription } from './commit.ts';
import { distance } from './cursor.ts';
import { keyBuckets } from './layout.ts';

/** Of a bucket without an owner. */
const nobody = 255;

/** Bugs that can be planted here. */
export interface KeyMutants {
  readonly bucketJump: boolean;
}

/** What the buckets ask of the lanes. */
export interface LaneProgress {
  /** Whether the lane gets messages. */
  live(lane: number): boolean;
  /** Up to where its consumer is through with its messages. */
  done(lane: number): number;
  tail(lane: number): number;
  /** Whether an ending lane has given back all that it had. */
  emptied(lane: number): boolean;
}

/**
 * Which lane each of the 256 buckets of keys belongs to: rendezvous hashing (Thaler and Ravishankar, 1998), so that a lane that comes or
 * goes moves few buckets. A bucket moves only when its former lane is through with the bucket's last message, so the order of a key holds until
 * the application has seen it. Owners stand in the subscription's record and change with commits.
 */
export class KeyBuckets {
  readonly #commit: Commit;
  readonly #record: number;
  readonly #mutants: KeyMutants;
  /** Behind the last entry of each bucket, in the lane that owns it. */
  readonly #last = new Int32Array(keyBuckets);
  readonly #target = new Uint8Array(keyBuckets).fill(nobody);
  #moving = 0;

  constructor(commit: Commit, record: number, progress: LaneProgress, mutants: KeyMutants) {
    this.#commit = commit;
    this.#record = record;
    this.#mutants = mutants;
    // What a predecessor placed last in each bucket is not known: its lane's tail is at or behind it.
    for (let bucket = 0; bucket < keyBuckets; bucket += 1) {
      const owner = this.owner(bucket);
      if (owner !== nobody) this.#last[bucket] = progress.tail(owner);
    }
  }

  /** Buckets that shall move and have not. */
  get moving(): number {
    return this.#moving;
  }

  /** Seat of the bucket's lane, 255 for none. */
  owner(bucket: number): number {
    const word = this.#commit.value(this.#commit.subscription(this.#record, StagedSubscription.owners + (bucket >> 2)));
    return (word >>> ((bucket & 3) * 8)) & 255;
  }

  #setOwner(bucket: number, lane: number): void {
    const number = this.#commit.subscription(this.#record, StagedSubscription.owners + (bucket >> 2));
    const shift = (bucket & 3) * 8;
    this.#commit.stage(number, (this.#commit.value(number) & ~(255 << shift)) | (lane << shift));
  }

  /** Lane for a key's hash; -1 while its bucket waits for a former owner. */
  laneOf(hash: number): number {
    const bucket = hash & (keyBuckets - 1);
    const owner = this.owner(bucket);
    return this.#target[bucket] === owner || this.#waitsFor(bucket, owner) ? owner : -1;
  }

  /** A bucket that is to move stays with its owner while that one lives. */
  #waitsFor(bucket: number, owner: number): boolean {
    return owner !== nobody && this.#liveOwner[bucket] === 1;
  }

  readonly #liveOwner = new Uint8Array(keyBuckets);

  /** An entry of the key's bucket stands before `tail` of the lane. */
  placed(hash: number, _lane: number, tail: number): void {
    this.#last[hash & (keyBuckets - 1)] = tail;
  }

  /** Says which lane each bucket shall belong to, of those that live. */
  aim(lanes: readonly number[], progress: LaneProgress): void {
    this.#moving = 0;
    for (let bucket = 0; bucket < keyBuckets; bucket += 1) {
      const owner = this.owner(bucket);
      const target = highest(bucket, lanes);
      this.#target[bucket] = target;
      this.#liveOwner[bucket] = owner !== nobody && progress.live(owner) ? 1 : 0;
      if (owner !== target) this.#moving += 1;
    }
  }

  /** Moves what can move; ends early where the commit is full. Returns how many moved. */
  settle(progress: LaneProgress): number {
    let moved = 0;
    for (let bucket = 0; bucket < keyBuckets && this.#moving > 0; bucket += 1) {
      const owner = this.owner(bucket);
      const target = this.#target[bucket] ?? nobody;
      if (owner === target) continue;
      if (!this.#mutants.bucketJump && !this.#free(bucket, owner, progress)) continue;
      if (this.#commit.full) break;
      this.#setOwner(bucket, target);
      this.#liveOwner[bucket] = target === nobody ? 0 : 1;
      if (target !== nobody) this.#last[bucket] = progress.tail(target);
      this.#moving -= 1;
      moved += 1;
    }
    return moved;
  }

  #free(bucket: number, owner: number, progress: LaneProgress): boolean {
    if (owner === nobody) return true;
    if (progress.live(owner)) return distance(progress.done(owner), this.#last[bucket] ?? 0) >= 0;
    return progress.emptied(owner);
  }
}

/** The lane with the highest hash for the bucket; 255 without lanes. */
export function highest(bucket: number, lanes: readonly number[]): number {
  let best = nobody;
  let most = -1;
  for (const lane of lanes) {
    const weight = mixed(bucket, lane);
    if (weight > most) {
      most = weight;
      best = lane;
    }
  }
  return best;
}

/** Mixes two small numbers: the finaliser of MurmurHash3 (Appleby). */
function mixed(bucket: number, lane: number): number {
  let hash = Math.imul(bucket + 1, 0x85eb_ca6b) ^ Math.imul(lane + 1, 0xc2b2_ae35);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
