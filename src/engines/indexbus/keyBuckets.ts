import { type Commit, StagedSubscription } from './commit.ts';
import { distance } from './cursor.ts';
import { keyBuckets } from './layout.ts';

/** Of a bucket without an owner. */
const nobody = 255;

/** Bugs that can be planted here. */
export interface KeyMutants {
  readonly bucketJump: boolean;
  readonly requeueLast: boolean;
}

/** What the buckets ask of the lanes. */
export interface LaneProgress {
  /** Whether the lane gets messages. */
  live(lane: number): boolean;
  /** Up to where its consumer is through with its messages. */
  done(lane: number): number;
  /** Behind its last entry, staged ones included. */
  tail(lane: number): number;
}

/**
 * Which lane each of the 256 buckets of keys belongs to: rendezvous hashing (Thaler and Ravishankar, 1998), so that a lane that comes or
 * goes moves few buckets. A bucket moves only when its former lane is through with the bucket's last message, so the order of a key holds until
 * the application has seen it.
 *
 * What a lane that ends gives back goes to the bucket's heir, which owns the bucket from the first such entry on; newer messages of the bucket wait
 * until the last has been given back. Of a consumer that was fenced the order counts from the fence: what it does with messages that it took
 * before, it does without the right to. Owners stand in the subscription's record and change with commits.
 */
export class KeyBuckets {
  readonly #commit: Commit;
  readonly #record: number;
  readonly #mutants: KeyMutants;
  /** Behind the last entry of each bucket, in the lane that owns it. */
  readonly #last = new Int32Array(keyBuckets);
  readonly #target = new Uint8Array(keyBuckets).fill(nobody);
  readonly #ownerLives = new Uint8Array(keyBuckets);
  /** Entries of each bucket in lanes that end. */
  readonly #givenBack = new Int32Array(keyBuckets);
  #moving = 0;
  /** Changes where buckets belong: a fault point moves them all about. */
  #salt = 0;

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
    this.#ownerLives[bucket] = lane === nobody ? 0 : 1;
  }

  /** Lane for a key's hash; -1 while its bucket waits for what a former owner gives back. */
  laneOf(hash: number): number {
    const bucket = hash & (keyBuckets - 1);
    if (this.#ownerLives[bucket] !== 1) return -1;
    if (this.#givenBack[bucket] !== 0 && !this.#mutants.requeueLast) return -1;
    return this.owner(bucket);
  }

  /** Lane for an entry that is given back; the bucket is that lane's from now on. -1 without lanes. */
  heir(hash: number, lanes: readonly number[]): number {
    const bucket = hash & (keyBuckets - 1);
    if (this.#ownerLives[bucket] === 1) return this.owner(bucket);
    const lane = highest(bucket, lanes, this.#salt);
    if (lane === nobody) return -1;
    this.#setOwner(bucket, lane);
    return lane;
  }

  /** An entry of the key's bucket stands before `tail` of its lane. */
  placed(hash: number, tail: number): void {
    this.#last[hash & (keyBuckets - 1)] = tail;
  }

  /** Entries of the key's bucket that a lane that ends has still to give back: one more, or one less. */
  giveBack(hash: number, change: 1 | -1): void {
    const bucket = hash & (keyBuckets - 1);
    this.#givenBack[bucket] = (this.#givenBack[bucket] ?? 0) + change;
  }

  /** Says which lane each bucket shall belong to, of those that live. */
  aim(lanes: readonly number[], progress: LaneProgress): void {
    this.#moving = 0;
    for (let bucket = 0; bucket < keyBuckets; bucket += 1) {
      const owner = this.owner(bucket);
      const target = highest(bucket, lanes, this.#salt);
      this.#target[bucket] = target;
      this.#ownerLives[bucket] = owner !== nobody && lanes.includes(owner) && progress.live(owner) ? 1 : 0;
      if (owner !== target) this.#moving += 1;
    }
  }

  /** Aims anew, at other lanes. */
  storm(lanes: readonly number[], progress: LaneProgress): void {
    this.#salt = (this.#salt + 1) | 0;
    this.aim(lanes, progress);
  }

  /** Moves what can move; ends early where the commit is full. Returns how many moved from a lane that lives. */
  settle(progress: LaneProgress): number {
    let moved = 0;
    let moving = 0;
    for (let bucket = 0; bucket < keyBuckets; bucket += 1) {
      const owner = this.owner(bucket);
      const target = this.#target[bucket] ?? nobody;
      if (owner === target) continue;
      if (this.#commit.full || !this.#free(bucket, owner, progress)) {
        moving += 1;
        continue;
      }
      if (this.#ownerLives[bucket] === 1) moved += 1;
      this.#setOwner(bucket, target);
      if (target !== nobody) this.#last[bucket] = progress.tail(target);
    }
    this.#moving = moving;
    return moved;
  }

  #free(bucket: number, owner: number, progress: LaneProgress): boolean {
    if (this.#mutants.bucketJump) return true;
    if (this.#givenBack[bucket] !== 0) return false;
    if (this.#ownerLives[bucket] !== 1) return true;
    return distance(progress.done(owner), this.#last[bucket] ?? 0) >= 0;
  }
}

/** The lane with the highest hash for the bucket; 255 without lanes. */
export function highest(bucket: number, lanes: readonly number[], salt = 0): number {
  let best = nobody;
  let most = -1;
  for (const lane of lanes) {
    const weight = mixed(bucket, lane + salt * 64);
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
