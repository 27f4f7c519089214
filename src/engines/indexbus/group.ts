import { Admission } from './admission.ts';
import type { KeyBuckets } from './keyBuckets.ts';
import { type Lanes, planEnds } from './lanes.ts';

/** Why a group takes a message in none of its lanes; lanes are 0 and above. */
export const GroupRefusal = {
  park: -1,
  /** All of several lanes refused, and one of them for lack of credit. */
  noCredit: -2,
  /** All of several lanes were full. */
  allFull: -3,
  /** Its one lane refused, or the lane of the key; `refusing` tells which and `cause` why. */
  laneRefused: -4,
  planEnds: -5,
} as const;

/** Messages in a row for one lane of a work queue, so that a lane's words stay in one cache for a while. */
const runLength = 16;

/** The lanes of one subscription of which each message gets one. */
export class Group {
  /** Number of the subscription's record. */
  readonly record: number;
  /** Live lanes. */
  readonly lanes: readonly number[];
  /** Undefined for a work queue. */
  readonly keys: KeyBuckets | undefined;
  readonly #leastDepth: boolean;
  #next = 0;
  #run = 0;
  /** After `laneRefused`: the lane and the verdict. */
  refusing = -1;
  cause: number = Admission.dropNewest;
  /** Whether the lane chosen last has to make room first. */
  evicts = false;

  constructor(record: number, lanes: readonly number[], keys: KeyBuckets | undefined, leastDepth: boolean) {
    this.record = record;
    this.lanes = lanes;
    this.keys = keys;
    this.#leastDepth = leastDepth;
  }

  /** The lane for a message, or a `GroupRefusal`. A lane that would have to evict is chosen only where none has room. */
  choose(lanes: Lanes, producer: number, keyHash: number): number {
    if (this.keys !== undefined) return this.#one(lanes, this.keys.laneOf(keyHash), producer);
    return this.#any(lanes, producer);
  }

  /** As `choose`, for an entry that another lane gives back: that of a key goes where its newer messages will go. */
  chooseAgain(lanes: Lanes, producer: number, keyHash: number): number {
    if (this.keys !== undefined) return this.#one(lanes, this.keys.heir(keyHash, this.lanes), producer);
    return this.#any(lanes, producer);
  }

  #any(lanes: Lanes, producer: number): number {
    if (this.lanes.length === 1) return this.#one(lanes, this.lanes[0] ?? -1, producer);
    return this.#leastDepth ? this.#shallowest(lanes, producer) : this.#inTurn(lanes, producer);
  }

  #one(lanes: Lanes, lane: number, producer: number): number {
    // Its bucket waits for what a lane that ended gives back, see `keyBuckets.ts`.
    if (lane < 0) {
      lanes.lacksCredit = false;
      return GroupRefusal.park;
    }
    const verdict = lanes.verdict(lane, producer);
    this.evicts = verdict === Admission.evict;
    if (verdict === Admission.place || verdict === Admission.evict) return lane;
    if (verdict === Admission.park) return GroupRefusal.park;
    if (verdict === planEnds) return GroupRefusal.planEnds;
    this.refusing = lane;
    this.cause = verdict;
    return GroupRefusal.laneRefused;
  }

  #inTurn(lanes: Lanes, producer: number): number {
    const { length } = this.lanes;
    if (this.#run >= runLength) {
      this.#run = 0;
      this.#next = (this.#next + 1) % length;
    }
    let evicting = -1;
    let worst: number = GroupRefusal.allFull;
    for (let turn = 0; turn < length; turn += 1) {
      const index = (this.#next + turn) % length;
      const lane = this.lanes[index] ?? -1;
      const verdict = lanes.verdict(lane, producer);
      if (verdict === Admission.place) {
        if (turn !== 0) this.#run = 0;
        this.#next = index;
        this.#run += 1;
        this.evicts = false;
        return lane;
      }
      if (verdict === Admission.evict) evicting = evicting < 0 ? lane : evicting;
      else worst = worse(worst, verdict);
    }
    this.evicts = true;
    return worst === GroupRefusal.planEnds || evicting < 0 ? worst : evicting;
  }

  #shallowest(lanes: Lanes, producer: number): number {
    let best = -1;
    let least = 0;
    let evicting = -1;
    let worst: number = GroupRefusal.allFull;
    for (const lane of this.lanes) {
      const verdict = lanes.verdict(lane, producer);
      if (verdict === Admission.place) {
        const depth = lanes.depth(lane);
        if (best < 0 || depth < least) {
          best = lane;
          least = depth;
        }
      } else if (verdict === Admission.evict) evicting = evicting < 0 ? lane : evicting;
      else worst = worse(worst, verdict);
    }
    this.evicts = best < 0;
    if (best >= 0) return best;
    return worst === GroupRefusal.planEnds || evicting < 0 ? worst : evicting;
  }
}

/** Of two refusals the one that counts for the group: no room for the moment before waiting, waiting before credit, credit before room. */
function worse(so: number, verdict: number): number {
  if (so === GroupRefusal.planEnds || verdict === planEnds) return GroupRefusal.planEnds;
  if (so === GroupRefusal.park || verdict === Admission.park) return GroupRefusal.park;
  if (so === GroupRefusal.noCredit || verdict === Admission.dropNoCredit) return GroupRefusal.noCredit;
  return GroupRefusal.allFull;
}
