import { packBacklog, unpackBacklog } from './backlog.ts';
import { type Commit, StagedLane, StagedSubscription } from './commit.ts';
import { advanced, distance } from './cursor.ts';
import { keyHashOf, redeliveredFlag, requeuedFlag } from './descriptor.ts';
import { Given, GivingBack } from './givingBack.ts';
import type { Lanes } from './lanes.ts';
import { LaneLife } from './laneTable.ts';
import { cursorWords, DetachReason, Header, LaneCursor, Seat, seatWords, subscriptionsMax } from './layout.ts';
import { Point } from './points.ts';
import { reasonOfLeaver } from './reasonOfLeaver.ts';
import type { RouterParts } from './routerParts.ts';
import { SeatState, stateOf } from './seat.ts';
import { changeSeat, wake } from './seatChange.ts';

/**
 * Lanes that end. Their head is stopped for good first, so that what is behind it has one owner, the router; then it goes to other lanes of a
 * group before anything newer, or is counted as lost; then the slots go home; then the seat is free. All of it in ordinary commits.
 *
 * A lane that ended later gives back first: what it was given by one that ended before is older than what that one still has. In a group by keys
 * that one waits until the later is through: a lane without room holds up some keys of the later and may not be that of the older's next.
 */
export class Endings {
  readonly #parts: RouterParts;
  readonly #words: Int32Array;
  readonly #lanes: Lanes;
  readonly #commit: Commit;
  /** Those that end, the latest first. */
  #underWay: number[] = [];
  /** Whose holder has not let go: what it has open by view stays. */
  readonly #held: Uint8Array;
  /** Whose messages nobody can have any more. */
  readonly #givenUp: Uint8Array;
  /** Records of groups by keys of which a lane that ended later has more to give, in this turn. */
  readonly #behind = new Uint8Array(subscriptionsMax);
  readonly #giving: GivingBack;
  #order: number;

  constructor(parts: RouterParts) {
    this.#parts = parts;
    this.#words = parts.region.words;
    this.#lanes = parts.lanes;
    this.#commit = parts.commit;
    this.#held = new Uint8Array(parts.lanes.count);
    this.#givenUp = new Uint8Array(parts.lanes.count);
    this.#giving = new GivingBack(parts);
    this.#order = 0;
    for (let lane = 0; lane < parts.lanes.count; lane += 1) {
      this.#order = Math.max(this.#order, this.#words[this.#cursor(lane, LaneCursor.endingOrder)] ?? 0);
    }
  }

  get any(): boolean {
    return this.#underWay.length > 0;
  }

  #seat(lane: number): number {
    return this.#parts.layout.laneSeats + lane * seatWords;
  }

  #cursor(lane: number, word: number): number {
    return this.#parts.layout.laneCursors + lane * cursorWords + word;
  }

  /**
   * Takes the lane from its consumer, between commits: it may be alive, so the seat stays with it until it has acknowledged or is proven dead. One that
   * has said that it leaves goes as it would have: there is nothing to be acknowledged.
   *
   * @returns false if the seat is not one to be fenced
   */
  fence(lane: number, reason: number): boolean {
    const at = this.#seat(lane);
    for (;;) {
      const word = Atomics.load(this.#words, at);
      const state = stateOf(word);
      if (state === 'leaving') return this.drain(lane, reason);
      if (state !== 'live') return false;
      this.#words[at + Seat.reason] = reason;
      const inMemory = this.#parts.mutants.fenceInMemory;
      if (!inMemory && !changeSeat(this.#parts.region, at, word, 'fenced', Point.fenceSeat)) continue;
      this.#held[lane] = 1;
      this.#begin(lane, reason);
      return true;
    }
  }

  /** The consumer has left, or is proven dead, whatever state the seat is in. False if nothing comes of it. A fence of one that leaves ends here, too. */
  drain(lane: number, reason: number): boolean {
    const at = this.#seat(lane);
    const word = Atomics.load(this.#words, at);
    const state = stateOf(word);
    if (state === 'claimed' || state === 'ready') {
      const to = this.#backlog(lane) === undefined ? 'free' : 'draining';
      if (!changeSeat(this.#parts.region, at, word, to, Point.freeSeat)) return false;
      // Who came for a lane that ended before this one is sent here.
      Atomics.add(this.#words, Header.seatsBell, 1);
      return true;
    }
    if (state === 'free' || state === 'draining' || state === undefined) return false;
    const why = state === 'leaving' ? reasonOfLeaver(reason) : reason;
    this.#words[at + Seat.reason] = why;
    if (!changeSeat(this.#parts.region, at, word, 'draining', Point.fenceSeat)) return false;
    if (this.#lanes.life[lane] === LaneLife.live) this.#begin(lane, why);
    this.#letGo(lane);
    return true;
  }

  /** No consumer can come for what the lane has: it is lost, and counted. */
  giveUp(lane: number): void {
    if (this.#lanes.life[lane] === LaneLife.ending) this.#givenUp[lane] = 1;
  }

  /** The holder of a seat will not touch it any more. */
  #letGo(lane: number): void {
    if (this.#reason(lane) === DetachReason.dead && this.#giving.dead[lane] === 0) {
      this.#giving.died(lane);
      this.#countKeys(lane, this.#giving.redeliverFrom(lane), this.#giving.redeliverTo(lane));
      const { telemetry } = this.#parts;
      telemetry.sometimes(
        'consumer died between claim and done',
        distance(this.#giving.stoppedAt[lane] ?? 0, this.#lanes.done(lane)) > 0,
      );
    }
    this.#held[lane] = 0;
  }

  /** A successor goes on with a lane that its predecessor was ending. To be called in the order of the ends. */
  resume(lane: number): void {
    const state = stateOf(Atomics.load(this.#words, this.#seat(lane)));
    this.#held[lane] = state === 'fenced' ? 1 : 0;
    this.#begin(lane, this.#reason(lane));
    if (state === 'draining' || this.#backlog(lane) !== undefined) this.#letGo(lane);
  }

  #backlog(lane: number) {
    return unpackBacklog(this.#words[this.#cursor(lane, LaneCursor.backlog)] ?? 0);
  }

  /** Why the lane ended; a joiner may have written over what its seat says. */
  #reason(lane: number): number {
    const backlog = this.#backlog(lane);
    if (backlog === undefined) return this.#words[this.#seat(lane) + Seat.reason] ?? 0;
    return backlog.dead ? DetachReason.dead : DetachReason.graceful;
  }

  /** Number of the lane's end among all; 0 if its head was not stopped yet. */
  order(lane: number): number {
    return this.#words[this.#cursor(lane, LaneCursor.endingOrder)] ?? 0;
  }

  #begin(lane: number, reason: number): void {
    const { routing, telemetry, events, region } = this.#parts;
    const lanes = this.#lanes;
    const seen = lanes.head[lane] ?? 0;
    const head = lanes.stop(lane);
    const tail = lanes.committedTail(lane);
    telemetry.sometimes('fence lost to a receive', lanes.view[lane] === 0 && head !== seen);
    telemetry.sometimes('fence beat a receive', head !== tail);
    const isResumed = this.order(lane) !== 0;
    if (!isResumed) this.#note(lane, head);
    this.#giving.stoppedAt[lane] = Atomics.load(this.#words, this.#cursor(lane, LaneCursor.stoppedAt));
    this.#giving.next[lane] = head;
    this.#givenUp[lane] = 0;
    lanes.setLife(lane, LaneLife.ending);
    lanes.refusesSince[lane] = -1;
    this.#underWay.unshift(lane);
    routing.rebuild();
    this.#countKeys(lane, head, tail);
    events.laneEnded?.({ lane, reason, position: head, unread: distance(tail, head), isResumed });
    this.#parts.observer?.laneEnded(lane, reason);
    wake(region, this.#cursor(lane, LaneCursor.wake));
  }

  /** Writes down where the lane ended, its order last: whoever is killed before that leaves a lane that has not ended, for its successor to end. */
  #note(lane: number, head: number): void {
    const { region } = this.#parts;
    this.#order += 1;
    // Nothing of it was handed out again. The word still stands where the lane began, which may be more than 2^31 messages ago.
    this.#commit.adopt(this.#commit.lane(lane, StagedLane.redelivery), this.#lanes.done(lane));
    Atomics.store(this.#words, this.#cursor(lane, LaneCursor.comesAgain), 0);
    Atomics.store(this.#words, this.#cursor(lane, LaneCursor.stoppedAt), head);
    region.step(Point.noteEnding);
    Atomics.store(this.#words, this.#cursor(lane, LaneCursor.endingOrder), this.#order);
  }

  #countKeys(lane: number, from: number, to: number): void {
    const keys = this.#parts.routing.keys(this.#lanes.subscription[lane] ?? 0);
    if (keys === undefined) return;
    for (let cursor = from; cursor !== to; cursor = advanced(cursor, 1)) {
      keys.giveBack(keyHashOf(this.#words[this.#lanes.entry(lane, cursor) + 2] ?? 0), 1);
    }
  }

  /**
   * Gives back what there is to give, as far as the commit has room.
   *
   * @returns whether anything newer may be placed in this plan
   */
  giveBack(): boolean {
    this.#behind.fill(0);
    for (const lane of this.#underWay) {
      const record = this.#lanes.subscription[lane] ?? 0;
      const given = this.#give(lane, record);
      if (given === Given.planEnds) return false;
      // What is left may be older, of keys that the lanes that ended before have, too.
      if (given === Given.waits && this.#parts.routing.keys(record) !== undefined) this.#behind[record] = 1;
    }
    return true;
  }

  #give(lane: number, record: number): Given {
    const stored = this.#parts.routing.subscription(record);
    let given: Given = Given.all;
    const isLost = stored === undefined || stored.subscription.mode === 'broadcast' || this.#givenUp[lane] === 1;
    if (isLost) this.#giving.lose(lane);
    else if (this.#behind[record] === 1) given = this.#giving.hasMore(lane) ? Given.waits : Given.all;
    else {
      if (this.#giving.dead[lane] === 1) given = this.#giving.redeliver(lane, record);
      if (given === Given.all) given = this.#giving.requeue(lane, record);
      this.#giving.tellPassed(lane);
    }
    if (given === Given.waits) this.#offer(lane, record);
    if (this.#lanes.view[lane] !== 1) this.#lanes.takeBack(lane, this.#lanes.head[lane] ?? 0);
    // What is still to be given stays, with the slots before it.
    else if (this.#held[lane] === 0 && given === Given.all) this.#lanes.release(lane, this.#giving.next[lane] ?? 0);
    return given;
  }

  /** What waits for the next consumer of its group may be taken over with the seat: there may be no other. */
  #offer(lane: number, record: number): void {
    if (this.#held[lane] === 1 || this.#backlog(lane) !== undefined || !this.mayGoOn(lane)) return;
    const [view, dead] = [this.#lanes.view[lane] === 1, this.#giving.dead[lane] === 1];
    Atomics.store(this.#words, this.#cursor(lane, LaneCursor.backlog), packBacklog({ record, view, dead }));
    // Who came for one that ended before is sent here.
    Atomics.add(this.#words, Header.seatsBell, 1);
  }

  /**
   * Whether the lane could go on with what it has: nothing of its group lives that may have been given older messages of a key, and no lane that ended
   * later has any to give, unread ones or such as its consumer died with.
   */
  mayGoOn(lane: number): boolean {
    const record = this.#lanes.subscription[lane] ?? 0;
    const { routing } = this.#parts;
    if (routing.keys(record) === undefined || this.#parts.mutants.takeOverAtOnce) return true;
    if (routing.group(record) !== undefined) return false;
    const first = this.#oldest(record);
    return first === undefined || first === lane;
  }

  /** The lane of a group by keys that has what is older than all that the others have to give: the one that ended last. */
  #oldest(record: number): number | undefined {
    return this.#underWay.find((it) => this.#lanes.subscription[it] === record && this.#giving.hasMore(it));
  }

  /** Whether another lane of its group has to be taken over before this one, and somebody who came for this one could have it. */
  isBehindAnother(lane: number): boolean {
    const record = this.#lanes.subscription[lane] ?? 0;
    if (this.#parts.routing.group(record) !== undefined || this.mayGoOn(lane)) return false;
    const first = this.#oldest(record) ?? lane;
    const state = stateOf(Atomics.load(this.#words, this.#seat(first)));
    return first !== lane && state === 'draining' && this.#backlog(first) !== undefined;
  }

  /**
   * Requeues what the lane has behind its own tail, for the consumer that takes it over; to be committed then. False where its ring has no room
   * before a commit has taken slots back.
   */
  moveBacklog(lane: number): boolean {
    const lanes = this.#lanes;
    const commit = this.#commit;
    const record = lanes.subscription[lane] ?? 0;
    const tail = lanes.tail[lane] ?? 0;
    const next = this.#giving.next[lane] ?? 0;
    const to = this.#giving.redeliverTo(lane);
    const from = this.#giving.dead[lane] === 1 ? this.#giving.redeliverFrom(lane) : to;
    if (lanes.ringRoom(lane) < distance(to, from) + distance(tail, next)) {
      if (lanes.view[lane] !== 1) lanes.takeBack(lane, lanes.head[lane] ?? 0);
      return false;
    }
    for (let cursor = from; cursor !== to; cursor = advanced(cursor, 1)) {
      commit.stage(commit.lane(lane, StagedLane.redelivery), advanced(cursor, 1));
      if (!this.#move(lane, cursor, redeliveredFlag)) continue;
      commit.add(commit.lane(lane, StagedLane.redelivered), 1);
      commit.add(commit.subscription(record, StagedSubscription.redelivered), 1);
      this.#parts.observer?.takenBack(lane, cursor, lane, true);
    }
    const first = this.#parts.mutants.takeOverForgets ? tail : next;
    for (let cursor = first; cursor !== tail; cursor = advanced(cursor, 1)) {
      const isMoved = this.#move(lane, cursor, requeuedFlag);
      if (isMoved) {
        commit.add(commit.lane(lane, StagedLane.requeuedIn), 1);
        commit.add(commit.lane(lane, StagedLane.requeuedOut), 1);
        commit.add(commit.subscription(record, StagedSubscription.requeued), 1);
      } else commit.add(commit.lane(lane, StagedLane.droppedDetached), 1);
      this.#parts.observer?.takenBack(lane, cursor, isMoved ? lane : -1, false);
    }
    this.#giving.tellPassed(lane);
    lanes.moveClaimed(lane, tail);
    lanes.release(lane, tail);
    this.#giving.next[lane] = tail;
    return true;
  }

  /** False for a damaged entry, which nobody shall have. */
  #move(lane: number, cursor: number, flag: number): boolean {
    const at = this.#lanes.entry(lane, cursor);
    const word = (index: number): number => this.#words[at + index] ?? 0;
    if (this.#giving.passesOver(lane, cursor)) {
      this.#parts.routing.keys(this.#lanes.subscription[lane] ?? 0)?.giveBack(keyHashOf(word(2)), -1);
      return false;
    }
    this.#lanes.place(lane, word(0), word(1) | flag, word(2), word(3));
    return true;
  }

  /** The lane lives again, with what was moved behind its former tail. */
  takenOver(lane: number, tail: number): void {
    const { routing, telemetry } = this.#parts;
    this.#underWay = this.#underWay.filter((it) => it !== lane);
    const keys = routing.keys(this.#lanes.subscription[lane] ?? 0);
    for (
      let cursor = this.#giving.next[lane] ?? 0;
      keys !== undefined && cursor !== tail;
      cursor = advanced(cursor, 1)
    ) {
      const hash = keyHashOf(this.#words[this.#lanes.entry(lane, cursor) + 2] ?? 0);
      keys.giveBack(hash, -1);
      keys.heir(hash, [lane]);
      keys.placed(hash, tail);
    }
    this.#giving.dead[lane] = 0;
    Atomics.store(this.#words, this.#cursor(lane, LaneCursor.endingOrder), 0);
    Atomics.store(this.#words, this.#cursor(lane, LaneCursor.backlog), 0);
    telemetry.sometimes('draining seat taken over', true);
  }

  /** Whether the holder of a lane that ends may still let go of what it has open. */
  watches(lane: number): boolean {
    return this.#held[lane] === 1 && this.#lanes.view[lane] === 1;
  }

  /** After a commit: frees the seats of which nothing is left. */
  finish(): void {
    if (this.#underWay.length === 0) return;
    for (const lane of this.#underWay) this.#advanceSeat(lane);
    if (this.#underWay.some((lane) => this.#lanes.life[lane] === LaneLife.none)) {
      this.#underWay = this.#underWay.filter((lane) => this.#lanes.life[lane] !== LaneLife.none);
    }
  }

  #advanceSeat(lane: number): void {
    const { region, mutants } = this.#parts;
    const at = this.#seat(lane);
    const word = Atomics.load(this.#words, at);
    const state = word & 15;
    if (state === SeatState.acked || (state === SeatState.fenced && mutants.seatReuseUnacked)) {
      if (changeSeat(region, at, word, 'draining', Point.fenceSeat)) this.#letGo(lane);
      return;
    }
    const isClaimed = state === SeatState.claimed || state === SeatState.ready || state === SeatState.free;
    if ((state !== SeatState.draining && !isClaimed) || this.#held[lane] === 1) return;
    const tail = this.#lanes.committedTail(lane);
    const reclaimed = this.#words[this.#cursor(lane, LaneCursor.reclaimed)] ?? 0;
    if (this.#giving.next[lane] !== tail || reclaimed !== tail) return;
    if (!isClaimed && !changeSeat(region, at, word, 'free', Point.freeSeat)) return;
    Atomics.store(this.#words, this.#cursor(lane, LaneCursor.backlog), 0);
    // Whoever came to take over what is gone now has an ordinary seat, or may take over what came after it.
    Atomics.add(this.#words, Header.seatsBell, 1);
    this.#lanes.setLife(lane, LaneLife.none);
    this.#lanes.stopped[lane] = 0;
    this.#giving.dead[lane] = 0;
    this.#parts.routing.rebuild();
    this.#parts.events.laneFreed?.(lane);
    wake(region, this.#cursor(lane, LaneCursor.wake));
  }
}
