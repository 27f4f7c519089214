import { Admission } from './admission.ts';
import { type Commit, StagedLane, StagedSubscription } from './commit.ts';
import { keyHashOf, ownedSlot, ownerOf } from './descriptor.ts';
import { type Group, GroupRefusal } from './group.ts';
import { type Lanes, planEnds } from './lanes.ts';
import { subscriptionsMax } from './layout.ts';
import type { IndexbusMutantFlags } from './mutants.ts';
import type { RefusalCause, RouterObserver } from './observer.ts';
import type { Route } from './routes.ts';

/** What came of one message. */
export const Placed = {
  /** It is where it shall be, or lost with its cause: its source goes on. */
  done: 0,
  /** Nothing happened; its source waits. */
  park: 1,
  /** Nothing happened; the plan ends and goes on after its commit. */
  planEnds: 2,
} as const;

/** More steps than a lane has places, and its freeze. */
const evictionsMax = (1 << 20) + 1;

/**
 * Places one message in every lane that shall have it: first it asks them all, then it makes room, then it places. A blocking lane that does not take
 * it therefore holds up its source before anything of the message is anywhere.
 */
export class Placing {
  readonly #lanes: Lanes;
  readonly #commit: Commit;
  readonly #mutants: IndexbusMutantFlags;
  readonly #observer: RouterObserver | undefined;
  /** Lane, or a `GroupRefusal`, of each group of the message. */
  readonly #chosen: Int32Array;
  readonly #verdicts: Int32Array;
  /** Whether a lane or group of the message refuses it, or has to make room. */
  #plain = true;
  /** Deliveries of the last message. */
  delivered = 0;

  constructor(lanes: Lanes, commit: Commit, mutants: IndexbusMutantFlags, observer: RouterObserver | undefined) {
    this.#lanes = lanes;
    this.#commit = commit;
    this.#mutants = mutants;
    this.#observer = observer;
    this.#chosen = new Int32Array(subscriptionsMax);
    this.#verdicts = new Int32Array(lanes.count);
  }

  place(route: Route, producer: number, slot: number, word1: number, word2: number, word3: number): number {
    this.delivered = 0;
    this.#plain = true;
    const asked = this.#askLanes(route, producer);
    if (asked !== Placed.done) return asked;
    const chosen = this.#askGroups(route, producer, keyHashOf(word2));
    if (chosen !== Placed.done) return chosen;
    let allFull = false;
    if (!this.#plain) {
      if (!this.#makeRoom(route, producer)) return Placed.planEnds;
      const wanted = route.broadcast.length + route.groups.length;
      allFull = wanted >= 2 && this.#refusals(route) === wanted;
    }
    const word0 = ownedSlot(producer, slot);
    for (let index = 0; index < route.broadcast.length; index += 1) {
      const lane = route.broadcast[index] ?? 0;
      const verdict = this.#verdicts[index] ?? 0;
      if (verdict === Admission.place) this.#deliver(lane, word0, word1, word2, word3);
      else if (verdict === Admission.park) return Placed.park;
      else this.#countLane(lane, verdict, allFull);
    }
    for (let index = 0; index < route.groups.length; index += 1) {
      const group = route.groups[index];
      const lane = this.#chosen[index] ?? 0;
      if (group === undefined) continue;
      if (lane >= 0) {
        this.#deliver(lane, word0, word1, word2, word3);
        group.keys?.placed(keyHashOf(word2), this.#lanes.tail[lane] ?? 0);
      } else this.#countGroup(group, lane, allFull);
    }
    return Placed.done;
  }

  /**
   * An entry that another lane gives back: it goes to one lane of its group, before anything newer.
   *
   * @param flag `requeuedFlag` or `redeliveredFlag`
   * @returns the lane, or a `GroupRefusal`
   */
  again(group: Group, word0: number, word1: number, word2: number, word3: number, flag: number): number {
    const producer = ownerOf(word0);
    const lane = group.chooseAgain(this.#lanes, producer, keyHashOf(word2));
    if (lane < 0) return lane;
    if (this.#evictUntil(lane, producer) !== Admission.place) return GroupRefusal.planEnds;
    this.#lanes.place(lane, word0, word1 | flag, word2, word3);
    group.keys?.placed(keyHashOf(word2), this.#lanes.tail[lane] ?? 0);
    return lane;
  }

  #askLanes(route: Route, producer: number): number {
    const { broadcast } = route;
    for (let index = 0; index < broadcast.length; index += 1) {
      const verdict = this.#lanes.verdict(broadcast[index] ?? 0, producer);
      if (verdict === planEnds) return Placed.planEnds;
      if (verdict === Admission.park && !this.#mutants.admitWhilePlacing) return Placed.park;
      if (verdict !== Admission.place) this.#plain = false;
      this.#verdicts[index] = verdict;
    }
    return Placed.done;
  }

  #askGroups(route: Route, producer: number, keyHash: number): number {
    for (let index = 0; index < route.groups.length; index += 1) {
      const group = route.groups[index];
      if (group === undefined) continue;
      const lane = group.choose(this.#lanes, producer, keyHash);
      if (lane === GroupRefusal.planEnds) return Placed.planEnds;
      if (lane === GroupRefusal.park) return Placed.park;
      if (lane < 0 || group.evicts) this.#plain = false;
      this.#chosen[index] = lane;
    }
    return Placed.done;
  }

  /** Evicts where the verdict asks for it; false if what would have to go is not published yet. */
  #makeRoom(route: Route, producer: number): boolean {
    for (let index = 0; index < route.broadcast.length; index += 1) {
      if (this.#verdicts[index] !== Admission.evict) continue;
      const verdict = this.#evictUntil(route.broadcast[index] ?? 0, producer);
      if (verdict === planEnds || verdict === Admission.evict) return false;
      this.#verdicts[index] = verdict;
    }
    for (let index = 0; index < route.groups.length; index += 1) {
      const lane = this.#chosen[index] ?? 0;
      if (lane < 0 || !route.groups[index]?.evicts) continue;
      if (this.#evictUntil(lane, producer) !== Admission.place) return false;
    }
    return true;
  }

  #evictUntil(lane: number, producer: number): number {
    let verdict = this.#lanes.verdict(lane, producer);
    for (let steps = 0; verdict === Admission.evict; steps += 1) {
      if (steps > evictionsMax || !this.#lanes.evictOldest(lane)) return planEnds;
      verdict = this.#lanes.verdict(lane, producer);
    }
    return verdict;
  }

  /** Deliveries that are refused for want of room alone. */
  #refusals(route: Route): number {
    let full = 0;
    for (let index = 0; index < route.broadcast.length; index += 1) if (isFull(this.#verdicts[index])) full += 1;
    for (let index = 0; index < route.groups.length; index += 1) {
      const lane = this.#chosen[index];
      if (lane === GroupRefusal.allFull) full += 1;
      else if (lane === GroupRefusal.laneRefused && isFull(route.groups[index]?.cause)) full += 1;
    }
    return full;
  }

  #deliver(lane: number, word0: number, word1: number, word2: number, word3: number): void {
    this.#lanes.place(lane, word0, word1, word2, word3);
    this.delivered += 1;
  }

  #countLane(lane: number, verdict: number, allFull: boolean): void {
    if (allFull) this.#commit.add(this.#commit.lane(lane, StagedLane.droppedAllFull), 1);
    if (!allFull || this.#mutants.allFullTwice) {
      if (verdict === Admission.dropNoCredit) this.#commit.add(this.#commit.lane(lane, StagedLane.droppedNoCredit), 1);
      else if (verdict === Admission.dropPool) this.#commit.add(this.#commit.lane(lane, StagedLane.droppedPool), 1);
      else this.#commit.add(this.#commit.lane(lane, StagedLane.droppedNewest), 1);
    }
    this.#observer?.refused(lane, -1, allFull ? 'allFull' : causeOf(verdict));
  }

  #countGroup(group: Group, refusal: number, allFull: boolean): void {
    if (refusal === GroupRefusal.laneRefused) {
      this.#countLane(group.refusing, group.cause, allFull);
      return;
    }
    const noCredit = refusal === GroupRefusal.noCredit;
    const field = noCredit ? StagedSubscription.droppedNoCredit : StagedSubscription.droppedAllFull;
    this.#commit.add(this.#commit.subscription(group.record, field), 1);
    this.#observer?.refused(-1, group.record, noCredit ? 'noCredit' : 'allFull');
  }
}

function isFull(verdict: number | undefined): boolean {
  return verdict === Admission.dropNewest || verdict === Admission.dropPool;
}

function causeOf(verdict: number): RefusalCause {
  if (verdict === Admission.dropNoCredit) return 'noCredit';
  return verdict === Admission.dropPool ? 'pool' : 'newest';
}
