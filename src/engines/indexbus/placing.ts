import { Admission } from './admission.ts';
import { type Commit, StagedLane, StagedSubscription } from './commit.ts';
import { keyHashOf, ownedSlot, requeuedFlag } from './descriptor.ts';
import { type Group, GroupRefusal } from './group.ts';
import { type Lanes, planEnds } from './lanes.ts';
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

/** Bugs that can be planted here. */
export interface PlacingMutants {
  readonly admitWhilePlacing: boolean;
  readonly allFullTwice: boolean;
}

/** More steps than a lane has places, and its freeze. */
const evictionsMax = (1 << 20) + 1;

/**
 * Places one message in every lane that shall have it: first it asks them all, then it makes room, then it places. A blocking lane that does not take
 * it therefore holds up its source before anything of the message is anywhere.
 */
export class Placing {
  readonly #lanes: Lanes;
  readonly #commit: Commit;
  readonly #mutants: PlacingMutants;
  /** Lane, or a `GroupRefusal`, of each group of the message. */
  readonly #chosen: Int32Array;
  readonly #verdicts: Int32Array;
  /** Deliveries of the last message. */
  delivered = 0;

  constructor(lanes: Lanes, commit: Commit, groupsMax: number, mutants: PlacingMutants) {
    this.#lanes = lanes;
    this.#commit = commit;
    this.#mutants = mutants;
    this.#chosen = new Int32Array(groupsMax);
    this.#verdicts = new Int32Array(lanes.count);
  }

  place(route: Route, producer: number, slot: number, word1: number, word2: number, word3: number): number {
    this.delivered = 0;
    const asked = this.#askLanes(route, producer);
    if (asked !== Placed.done) return asked;
    const chosen = this.#askGroups(route, producer, keyHashOf(word2));
    if (chosen !== Placed.done) return chosen;
    if (!this.#makeRoom(route, producer)) return Placed.planEnds;
    const word0 = ownedSlot(producer, slot);
    const refusals = this.#refusals(route);
    const wanted = route.broadcast.length + route.groups.length;
    const allFull = wanted >= 2 && refusals === wanted;
    for (let index = 0; index < route.broadcast.length; index += 1) {
      const lane = route.broadcast[index] ?? 0;
      const verdict = this.#verdicts[index] ?? 0;
      if (verdict === Admission.place) this.#deliver(lane, word0, word1, word2, word3);
      else this.#countLane(lane, verdict, allFull);
    }
    for (let index = 0; index < route.groups.length; index += 1) {
      const group = route.groups[index];
      const lane = this.#chosen[index] ?? 0;
      if (group === undefined) continue;
      if (lane >= 0) {
        this.#deliver(lane, word0, word1, word2, word3);
        group.keys?.placed(keyHashOf(word2), lane, this.#lanes.tail[lane] ?? 0);
      } else this.#countGroup(group, lane, allFull);
    }
    return Placed.done;
  }

  /** An entry that another lane gives back: it goes to one lane of its group, before anything newer. */
  requeue(group: Group, producer: number, slot: number, word1: number, word2: number, word3: number): number {
    const lane = group.choose(this.#lanes, producer, keyHashOf(word2));
    if (lane === GroupRefusal.planEnds) return lane;
    if (lane < 0) return lane;
    if (this.#evictUntil(lane, producer) !== Admission.place) return GroupRefusal.planEnds;
    this.#lanes.place(lane, ownedSlot(producer, slot), word1 | requeuedFlag, word2, word3);
    group.keys?.placed(keyHashOf(word2), lane, this.#lanes.tail[lane] ?? 0);
    return lane;
  }

  #askLanes(route: Route, producer: number): number {
    const { broadcast } = route;
    for (let index = 0; index < broadcast.length; index += 1) {
      const verdict = this.#lanes.verdict(broadcast[index] ?? 0, producer);
      if (verdict === planEnds) return Placed.planEnds;
      if (verdict === Admission.park && !this.#mutants.admitWhilePlacing) return Placed.park;
      this.#verdicts[index] = verdict;
    }
    return Placed.done;
  }

  #askGroups(route: Route, producer: number, keyHash: number): number {
    for (let index = 0; index < route.groups.length; index += 1) {
      const lane = route.groups[index]?.choose(this.#lanes, producer, keyHash) ?? GroupRefusal.park;
      if (lane === GroupRefusal.planEnds) return Placed.planEnds;
      if (lane === GroupRefusal.park) return Placed.park;
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
      if (lane < 0) continue;
      if (this.#lanes.verdict(lane, producer) !== Admission.evict) continue;
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
    for (let index = 0; index < route.broadcast.length; index += 1) {
      const verdict = this.#verdicts[index];
      if (verdict === Admission.dropNewest || verdict === Admission.dropPool) full += 1;
    }
    for (let index = 0; index < route.groups.length; index += 1) {
      const lane = this.#chosen[index];
      if (lane === GroupRefusal.allFull || lane === GroupRefusal.laneFull) full += 1;
    }
    return full;
  }

  #deliver(lane: number, word0: number, word1: number, word2: number, word3: number): void {
    this.#lanes.place(lane, word0, word1, word2, word3);
    this.delivered += 1;
  }

  #countLane(lane: number, verdict: number, allFull: boolean): void {
    if (allFull) this.#commit.add(this.#commit.lane(lane, StagedLane.droppedAllFull), 1);
    if (allFull && !this.#mutants.allFullTwice) return;
    if (verdict === Admission.dropNoCredit) this.#commit.add(this.#commit.lane(lane, StagedLane.droppedNoCredit), 1);
    else if (verdict === Admission.dropPool) this.#commit.add(this.#commit.lane(lane, StagedLane.droppedPool), 1);
    else if (verdict === Admission.dropNewest) this.#commit.add(this.#commit.lane(lane, StagedLane.droppedNewest), 1);
  }

  #countGroup(group: Group, refusal: number, allFull: boolean): void {
    if (refusal === GroupRefusal.laneFull && !allFull) {
      this.#countLane(group.refusing, group.cause, false);
      return;
    }
    const field =
      refusal === GroupRefusal.noCredit ? StagedSubscription.droppedNoCredit : StagedSubscription.droppedAllFull;
    this.#commit.add(this.#commit.subscription(group.record, field), 1);
  }
}
