import type { Region } from '../../host/sharedMemory.ts';
import { Admission, type AdmissionVerdict, admit, lacksCredit } from './admission.ts';
import { type Commit, StagedLane } from './commit.ts';
import { advanced, distance, frozen, isFrozen } from './cursor.ts';
import { descriptorWords, ownerOf, slotOf } from './descriptor.ts';
import { LaneTable, type LaneTableParts } from './laneTable.ts';
import { LaneCursor } from './layout.ts';
import type { RouterObserver } from './observer.ts';
import { Point } from './points.ts';
import type { SlotCounts } from './slotCounts.ts';
import { WayHome } from './wayHome.ts';

/** Constants of this module: the compiler folds them, where it looks imported ones up with each use. */
const entryWords = descriptorWords;

/** Room: none left in the ring, or nothing published to evict: the plan has to end here, and go on after its commit. */
export const planEnds = 6;
export type PlaceVerdict = AdmissionVerdict | typeof planEnds;

/** How often a head that its consumer moves at the same time is frozen anew, before the plan ends instead. */
const freezeTries = 8;
/**
 * A head that the router moves on while its consumer stands still would come round to where the consumer expects it. So far from where the consumer
 * was last through it is taken from it: half of what a freeze is told by, so that the consumer knows a frozen head at the end of its ring, too.
 * Both are words of the segment, so no router has to remember how long the consumer has stood.
 */
const standstillMax = 1 << 29;

/** What the lanes of a router are made of. */
export interface LaneParts extends LaneTableParts {
  readonly commit: Commit;
  readonly counts: SlotCounts;
  readonly observer: RouterObserver | undefined;
}

/**
 * What the router does with lanes: looks how far their consumers have come, places, evicts and stops, between what is committed and what the commit
 * under way will make of it.
 */
export class Lanes extends LaneTable {
  /** Heads that stay frozen: the lane ends. */
  readonly stopped: Uint8Array;
  /** The poll's time, in milliseconds. */
  now = 0;
  /** A fault point: slots that this poll could send home go with a later one. */
  late = false;
  /** A lane whose cursor or ring has what no participant can have written; -1 for none. It has to be fenced, and the plan ends. */
  corrupt = -1;
  corruption = '';
  /** Whether the lane that last made a source wait did so for its credit limit, and not for its capacity. */
  lacksCredit = false;
  /** Entries evicted, and receives that were faster than an eviction: a probe reads and clears them. */
  evictions = 0;
  evictionsLost = 0;
  /** Heads that a commit has thawed: a consumer that met one frozen may sleep although it has messages. Who wakes it clears this. */
  readonly thawed: Uint8Array;
  /** Where slots go that no lane has any more. */
  readonly home: WayHome;
  /** Heads that this plan has frozen. */
  readonly #frozenNow: Uint8Array;
  #anyFrozen = false;
  readonly #region: Region;
  readonly #commit: Commit;
  readonly #counts: SlotCounts;
  readonly #observer: RouterObserver | undefined;
  /** Lanes whose tail the plan has moved. */
  readonly #touched: Uint8Array;

  constructor(parts: LaneParts) {
    super(parts);
    this.#region = parts.region;
    this.#commit = parts.commit;
    this.#counts = parts.counts;
    this.#observer = parts.observer;
    this.home = new WayHome(parts);
    this.stopped = new Uint8Array(this.count);
    this.#touched = new Uint8Array(this.count);
    this.thawed = new Uint8Array(this.count);
    this.#frozenNow = new Uint8Array(this.count);
  }

  depth(lane: number): number {
    const tail = this.mutants.creditFromOldTail ? this.committedTail(lane) : (this.tail[lane] ?? 0);
    return distance(tail, this.head[lane] ?? 0);
  }

  /** Whether the consumer has moved since the last look. */
  hasMoved(lane: number): boolean {
    const byDone = this.view[lane] === 1 && !this.mutants.viewFreedAtHead;
    const seen = byDone ? this.done(lane) : this.claimed(lane);
    return seen !== this.head[lane];
  }

  /**
   * Looks how far the consumer has come and takes back the slots that it let go. Stops early where the commit is full. A copy lane lets go at
   * its head, a view lane where its messages are done.
   */
  observe(lane: number): void {
    const byDone = this.view[lane] === 1 && !this.mutants.viewFreedAtHead;
    this.#region.step(Point.observeHead);
    let seen = Atomics.load(this.words, this.cursor(lane, byDone ? LaneCursor.done : LaneCursor.head));
    const tail = this.committedTail(lane);
    if (!byDone && isFrozen(seen, tail)) seen = frozen(seen);
    if (!this.#see(lane, seen, tail)) return;
    if (this.#commit.value(this.#commit.lane(lane, StagedLane.reclaimed)) !== seen) this.takeBack(lane, seen);
  }

  /** Takes note of where the consumer is; false for a place where it cannot be. */
  #see(lane: number, seen: number, tail: number): boolean {
    const known = this.head[lane] ?? 0;
    if (seen === known) return true;
    if (distance(seen, known) < 0 || distance(tail, seen) < 0) {
      this.#damaged(lane, `its consumer stands at ${seen >>> 0}, expected ${known >>> 0} to ${tail >>> 0}`);
      return false;
    }
    this.refusesSince[lane] = -1;
    this.#passTo(lane, seen);
    this.#observer?.headSeen(lane, seen);
    return true;
  }

  #damaged(lane: number, what: string): void {
    this.corrupt = lane;
    this.corruption = what;
  }

  /** Everything before `to` is out of the lane: it counts against nobody's share any more. */
  #passTo(lane: number, to: number): void {
    const { words, ringMask } = this;
    const counts = this.#counts;
    const ring = this.entry(lane, 0);
    let owner = -1;
    let entries = 0;
    for (let cursor = this.head[lane] ?? 0; cursor !== to; cursor = (cursor + 1) | 0) {
      const next = ownerOf(words[ring + (cursor & ringMask) * entryWords] ?? 0);
      if (next !== owner) {
        if (entries > 0) counts.letGo(lane, owner, entries);
        owner = next;
        entries = 0;
      }
      entries += 1;
    }
    if (entries > 0) counts.letGo(lane, owner, entries);
    this.head[lane] = to;
  }

  /** Takes back the slots before `to`, as far as the commit has room. */
  takeBack(lane: number, to: number): void {
    const number = this.#commit.lane(lane, StagedLane.reclaimed);
    const from = this.#commit.value(number);
    if (from === to || this.#commit.full) return;
    if (distance(to, from) < 0) {
      // Going there would take as many steps as there are numbers.
      this.#damaged(lane, `it is to give back up to ${to >>> 0}, and has done so up to ${from >>> 0}`);
      return;
    }
    const reached = this.home.takeBack(this.entry(lane, 0), from, to);
    if (reached !== from) this.#commit.stage(number, reached);
    if (this.home.strayAt >= 0) this.#tellStray(lane);
  }

  #tellStray(lane: number): void {
    const { strayAt, strayWord0 } = this.home;
    this.home.strayAt = -1;
    this.#damaged(lane, `its entry ${strayAt} names slot ${slotOf(strayWord0)} of producer ${ownerOf(strayWord0)}`);
  }

  /** What becomes of one more message of this producer, room in the ring included. */
  verdict(lane: number, producer: number): PlaceVerdict {
    const depth = this.depth(lane);
    const held = this.#counts.held(lane, producer);
    const share = this.shares[lane] ?? 0;
    let verdict: AdmissionVerdict = Admission.place;
    if (depth >= (this.limits[lane] ?? 0) || held >= share) {
      verdict = admit(
        this.blocking[lane] === 1,
        this.dropOldest[lane] === 1,
        depth,
        this.capacity[lane] ?? 0,
        this.creditLimit[lane] ?? 0,
        held,
        share,
      );
      if ((this.refusesSince[lane] ?? 0) < 0) {
        this.refusesSince[lane] = this.now;
        this.refusing = true;
      }
      if (verdict === Admission.park) this.lacksCredit = lacksCredit(depth, this.creditLimit[lane] ?? 0);
      if (verdict !== Admission.evict) return verdict;
    }
    // A successor counts the slots from the sealed cursor on: what stands there may not be written over before the commit.
    const reclaimed = this.mutants.roomFromObserved
      ? this.#commit.value(this.#commit.lane(lane, StagedLane.reclaimed))
      : (this.words[this.cursor(lane, LaneCursor.reclaimed)] ?? 0);
    return distance(this.tail[lane] ?? 0, reclaimed) > this.ringMask ? planEnds : verdict;
  }

  /** How many more messages of this producer the lane takes as it stands: the verdict on each is to place it. */
  roomFor(lane: number, producer: number): number {
    const tail = this.tail[lane] ?? 0;
    const depth = distance(tail, this.head[lane] ?? 0);
    const byLimit = (this.limits[lane] ?? 0) - depth;
    const byShare = (this.shares[lane] ?? 0) - this.#counts.held(lane, producer);
    const reclaimed = this.words[this.cursor(lane, LaneCursor.reclaimed)] ?? 0;
    const byRing = this.ringMask + 1 - distance(tail, reclaimed);
    return Math.min(byLimit, byShare, byRing);
  }

  /** So many entries of one producer stand behind the staged tail. */
  placed(lane: number, producer: number, entries: number): void {
    this.tail[lane] = advanced(this.tail[lane] ?? 0, entries);
    this.#touched[lane] = 1;
    this.#counts.hold(lane, producer, entries);
  }

  /** Places of the ring that no entry has that a successor would count. */
  ringRoom(lane: number): number {
    const reclaimed = this.words[this.cursor(lane, LaneCursor.reclaimed)] ?? 0;
    return this.ringMask + 1 - distance(this.tail[lane] ?? 0, reclaimed);
  }

  /** A lane that was ending has a consumer again: its head is as it is, and no longer stopped. */
  go(lane: number): void {
    const word = this.cursor(lane, LaneCursor.head);
    const head = Atomics.load(this.words, word);
    this.stopped[lane] = 0;
    this.#region.step(Point.thaw);
    if (isFrozen(head, this.committedTail(lane))) Atomics.compareExchange(this.words, word, head, frozen(head));
    this.#commit.adopt(this.#commit.lane(lane, StagedLane.head), this.claimed(lane));
    this.reload(lane);
  }

  /** Writes the entry behind the staged tail. */
  place(lane: number, word0: number, word1: number, word2: number, word3: number): void {
    const words = this.words;
    const tail = this.tail[lane] ?? 0;
    const at = this.entry(lane, tail);
    this.#region.step(Point.writeLaneEntry);
    words[at] = word0;
    words[at + 1] = word1;
    words[at + 2] = word2;
    words[at + 3] = word3;
    this.tail[lane] = advanced(tail, 1);
    this.#touched[lane] = 1;
    const producer = ownerOf(word0);
    this.#counts.take(producer, slotOf(word0));
    this.#counts.hold(lane, producer);
    if (this.#observer !== undefined) this.#observer.placed(lane, word0, word1, word2, word3);
  }

  /**
   * A step towards room for one more: freezes the head, so that the consumer cannot take what is evicted, and only with the next call, when the
   * consumer may have made room by itself, takes the oldest entry out and counts it as lost.
   *
   * @returns false if there is no published entry to take, or the consumer cannot be stopped: the plan has to end
   */
  evictOldest(lane: number): boolean {
    if (this.#frozenNow[lane] !== 1) return this.#freezeForNow(lane);
    const head = this.head[lane] ?? 0;
    if (distance(this.committedTail(lane), head) <= 0) return false;
    const stoodStill = distance(advanced(head, 1), this.done(lane));
    if (stoodStill < 0 || stoodStill >= standstillMax) {
      this.#damaged(
        lane,
        `its head is at ${head >>> 0} and its consumer was last through at ${this.done(lane) >>> 0}, expected fewer than ${standstillMax} before`,
      );
      return false;
    }
    this.evictions += 1;
    this.#observer?.evicted(lane, head);
    this.#commit.add(this.#commit.lane(lane, StagedLane.droppedOldest), 1);
    this.moveHead(lane, advanced(head, 1));
    if (!this.late) this.takeBack(lane, advanced(head, 1));
    return true;
  }

  /** Moves a frozen head with the commit under way. */
  moveHead(lane: number, to: number): void {
    this.#passTo(lane, to);
    this.#commit.stage(this.#commit.lane(lane, StagedLane.head), this.stopped[lane] ? frozen(to) : to);
  }

  /** Moves the head of a view lane that ends: what is open there stays until it is let go. */
  moveClaimed(lane: number, to: number): void {
    if (this.view[lane]) this.#commit.stage(this.#commit.lane(lane, StagedLane.head), frozen(to));
    else this.moveHead(lane, to);
  }

  /** Freezes the head until the commit; false if its consumer moves it faster than that. */
  #freezeForNow(lane: number): boolean {
    for (let tries = 0; tries < freezeTries; tries += 1) {
      const head = this.#tryFreeze(lane);
      if (head === undefined) {
        if (this.corrupt === lane) return false;
        continue;
      }
      this.#frozenNow[lane] = 1;
      this.#anyFrozen = true;
      // Also when nothing is evicted after all: the commit thaws it.
      this.#commit.stage(this.#commit.lane(lane, StagedLane.head), head);
      return true;
    }
    return false;
  }

  /** The head where it was frozen; undefined if its consumer moved it at the same time, or it is damaged. */
  #tryFreeze(lane: number): number | undefined {
    const word = this.cursor(lane, LaneCursor.head);
    const head = Atomics.load(this.words, word);
    if (this.view[lane] !== 1) {
      if (head !== this.head[lane]) this.evictionsLost += 1;
      if (!this.#see(lane, head, this.committedTail(lane))) return undefined;
    }
    this.#region.step(Point.freezeHead);
    if (this.mutants.freezeSkipped) return head;
    return Atomics.compareExchange(this.words, word, head, frozen(head)) === head ? head : undefined;
  }

  /**
   * Freezes the head for good: its consumer takes nothing any more. Between commits only. Returns where it stands; a head that cannot be its
   * consumer's is put back to where it was last seen.
   */
  stop(lane: number): number {
    const word = this.cursor(lane, LaneCursor.head);
    this.stopped[lane] = 1;
    const tail = this.committedTail(lane);
    for (;;) {
      const head = Atomics.load(this.words, word);
      if (isFrozen(head, tail)) return this.#stoppedAt(lane, frozen(head), tail);
      if (this.mutants.fenceReadsHead) return head;
      this.#region.step(Point.freezeHead);
      if (Atomics.compareExchange(this.words, word, head, frozen(head)) === head) {
        return this.#stoppedAt(lane, head, tail);
      }
    }
  }

  #stoppedAt(lane: number, head: number, tail: number): number {
    const known = this.head[lane] ?? 0;
    if (distance(head, known) < 0 || distance(tail, head) < 0) {
      this.#commit.adopt(this.#commit.lane(lane, StagedLane.head), frozen(known));
      return known;
    }
    if (this.view[lane] !== 1) this.#passTo(lane, head);
    this.#commit.adopt(this.#commit.lane(lane, StagedLane.head), frozen(head));
    return head;
  }

  /** Takes everything before `to` out of a lane that ends, and gives the slots back. */
  release(lane: number, to: number): void {
    this.#passTo(lane, to);
    this.takeBack(lane, to);
  }

  /** Before a commit is sealed: stages the tails that the plan has moved, once each. */
  stageTails(): void {
    for (let index = 0; index < this.activeCount; index += 1) {
      const lane = this.active[index] ?? 0;
      if (this.#touched[lane] !== 1) continue;
      this.#touched[lane] = 0;
      this.#commit.stage(this.#commit.lane(lane, StagedLane.tail), this.tail[lane] ?? 0);
    }
  }

  /** After a commit: its heads are thawed. */
  committed(): void {
    if (!this.#anyFrozen) return;
    for (let lane = 0; lane < this.count; lane += 1) {
      if (this.#frozenNow[lane] !== 1) continue;
      this.#frozenNow[lane] = 0;
      this.thawed[lane] = 1;
    }
    this.#anyFrozen = false;
  }

  /** Takes heads and tails from the segment: after a recovery, or when the lane goes live. */
  reload(lane: number): void {
    const done = this.done(lane);
    this.head[lane] = this.view[lane] ? done : this.claimed(lane);
    this.tail[lane] = this.committedTail(lane);
    this.refusesSince[lane] = -1;
    this.#frozenNow[lane] = 0;
  }

  /** Counts a lane's entries in the router's book: slots from `reclaimed` on, shares from its head on. After a recovery. */
  recount(lane: number): void {
    const tail = this.tail[lane] ?? 0;
    const head = this.head[lane] ?? 0;
    for (
      let cursor = this.words[this.cursor(lane, LaneCursor.reclaimed)] ?? 0;
      cursor !== tail;
      cursor = advanced(cursor, 1)
    ) {
      const word0 = this.words[this.entry(lane, cursor)] ?? 0;
      this.#counts.take(ownerOf(word0), slotOf(word0));
      if (distance(cursor, head) >= 0) this.#counts.hold(lane, ownerOf(word0));
    }
  }
}
