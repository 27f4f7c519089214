import type { Region } from '../../host/sharedMemory.ts';
import { Admission, type AdmissionVerdict, admit, poolShare } from './admission.ts';
import { type Commit, StagedLane, StagedProducer } from './commit.ts';
import { advanced, distance, frozen, isFrozen } from './cursor.ts';
import { bytesOf, ownerOf, slotOf } from './descriptor.ts';
import { Access, cursorWords, LaneCursor, LaneMode, type Layout, Seat, seatWords } from './layout.ts';
import { Point } from './points.ts';
import type { SlotCounts } from './slotCounts.ts';

/** Room: none left in the ring, or nothing published to evict: the plan has to end here, and go on after its commit. */
export const planEnds = 6;
export type PlaceVerdict = AdmissionVerdict | typeof planEnds;

/** What a lane is to the router. */
export const LaneLife = {
  none: 0,
  /** Gets messages. */
  live: 1,
  /** Gets none; what it has goes home, or to others. */
  ending: 2,
} as const;

/** Bugs that can be planted here. */
export interface LaneMutants {
  readonly freezeSkipped: boolean;
  readonly roomFromObserved: boolean;
  readonly creditFromOldTail: boolean;
  readonly shareOff: boolean;
  readonly viewFreedAtHead: boolean;
  readonly returnBeforeSeal: boolean;
}

/** What looks at the lanes of a router from outside: probes, and the order of events that a twin follows. */
export interface LaneObserver {
  /** The consumer took an entry between the look at its head and the freeze. */
  evictionLost(lane: number): void;
  evicted(lane: number, entry: number): void;
}

/** A cursor of a lane or a descriptor of its ring that no participant can have written: the lane has to be fenced. */
export class LaneCorrupt extends Error {
  override readonly name = 'LaneCorrupt';
  readonly lane: number;

  constructor(lane: number, what: string) {
    super(`lane ${lane}: ${what}`);
    this.lane = lane;
  }
}

/**
 * The lanes as the router knows them, between what is committed and what the commit under way will make of them. Numbers in typed arrays, since
 * every message touches several.
 */
export class Lanes {
  readonly life: Uint8Array;
  readonly blocking: Uint8Array;
  readonly dropOldest: Uint8Array;
  readonly view: Uint8Array;
  readonly capacity: Int32Array;
  /** 0 for none. */
  readonly creditLimit: Int32Array;
  readonly subscription: Int32Array;
  /** When the lane last refused without moving since, in milliseconds; -1 while it does not refuse. */
  readonly refusesSince: Float64Array;
  /** Where the consumer was last seen, or where an eviction has put it: everything before is no longer in the lane. */
  readonly head: Int32Array;
  /** Tail with what is staged. */
  readonly tail: Int32Array;
  /** Heads that this plan has frozen. */
  readonly #frozenNow: Uint8Array;
  /** Heads that stay frozen: the seat was fenced. */
  readonly fenced: Uint8Array;
  readonly #region: Region;
  readonly #words: Int32Array;
  readonly #layout: Layout;
  readonly #commit: Commit;
  readonly #counts: SlotCounts;
  readonly #mutants: LaneMutants;
  readonly #observer: LaneObserver;
  readonly #ringMask: number;
  #share = 0;

  constructor(
    region: Region,
    layout: Layout,
    commit: Commit,
    counts: SlotCounts,
    mutants: LaneMutants,
    observer: LaneObserver,
  ) {
    const { lanes } = layout.sizes;
    this.#region = region;
    this.#words = region.words;
    this.#layout = layout;
    this.#commit = commit;
    this.#counts = counts;
    this.#mutants = mutants;
    this.#observer = observer;
    this.#ringMask = layout.sizes.laneRing - 1;
    this.life = new Uint8Array(lanes);
    this.blocking = new Uint8Array(lanes);
    this.dropOldest = new Uint8Array(lanes);
    this.view = new Uint8Array(lanes);
    this.capacity = new Int32Array(lanes);
    this.creditLimit = new Int32Array(lanes);
    this.subscription = new Int32Array(lanes);
    this.refusesSince = new Float64Array(lanes).fill(-1);
    this.head = new Int32Array(lanes);
    this.tail = new Int32Array(lanes);
    this.#frozenNow = new Uint8Array(lanes);
    this.fenced = new Uint8Array(lanes);
  }

  get count(): number {
    return this.#layout.sizes.lanes;
  }

  /** How many slots of each producer a non-blocking copy lane may have. */
  get share(): number {
    return this.#share;
  }

  /** Reads what the seat says of the lane: at a join, a recovery, a change. */
  readSeat(lane: number): void {
    const at = this.#layout.laneSeats + lane * seatWords;
    const mode = this.#words[at + Seat.mode] ?? 0;
    this.blocking[lane] = mode & LaneMode.blocking ? 1 : 0;
    this.dropOldest[lane] = mode & LaneMode.dropOldest ? 1 : 0;
    this.view[lane] = this.#words[at + Seat.access] === Access.view ? 1 : 0;
    this.capacity[lane] = this.#words[at + Seat.capacityOrRate] ?? 0;
    this.creditLimit[lane] = this.#words[at + Seat.creditLimit] ?? 0;
    this.subscription[lane] = this.#words[at + Seat.subscription] ?? 0;
  }

  /** Shares the pools anew among the live lanes. */
  shareOut(batchSize: number): void {
    this.#share = this.shareWith(batchSize, -1, false);
  }

  /** The share if `extra` were live as well. */
  shareWith(batchSize: number, extra: number, minimal: boolean): number {
    let copyLanes = 0;
    let viewCapacities = 0;
    for (let lane = 0; lane < this.count; lane += 1) {
      if (this.life[lane] !== LaneLife.live && lane !== extra) continue;
      if (this.blocking[lane]) continue;
      if (this.view[lane]) viewCapacities += this.capacity[lane] ?? 0;
      else copyLanes += 1;
    }
    const share = poolShare(this.#layout.sizes.slots, batchSize, viewCapacities, copyLanes);
    return minimal ? Math.min(share, 16) : share;
  }

  setShare(share: number): void {
    this.#share = this.#mutants.shareOff ? 0x7fff_ffff : share;
  }

  depth(lane: number): number {
    const tail = this.#mutants.creditFromOldTail ? this.#committedTail(lane) : (this.tail[lane] ?? 0);
    return distance(tail, this.head[lane] ?? 0);
  }

  #committedTail(lane: number): number {
    return this.#words[this.#cursor(lane, LaneCursor.tail)] ?? 0;
  }

  #cursor(lane: number, word: number): number {
    return this.#layout.laneCursors + lane * cursorWords + word;
  }

  #entry(lane: number, cursor: number): number {
    return this.#layout.laneRings + lane * this.#layout.laneRingStep + (cursor & this.#ringMask) * 4;
  }

  /**
   * Looks how far the consumer has come and takes back the slots that it let go. Stops early where the commit is full. A copy lane lets go at
   * its head, a view lane where its messages are done.
   *
   * @returns whether something came home
   */
  observe(lane: number): boolean {
    const byDone = this.view[lane] === 1 && !this.#mutants.viewFreedAtHead;
    const word = this.#cursor(lane, byDone ? LaneCursor.done : LaneCursor.head);
    this.#region.step(Point.observeHead);
    let seen = Atomics.load(this.#words, word);
    const tail = this.#committedTail(lane);
    if (!byDone && isFrozen(seen, tail)) seen = frozen(seen);
    const known = this.head[lane] ?? 0;
    if (distance(seen, known) < 0 || distance(tail, seen) < 0) {
      throw new LaneCorrupt(lane, `its consumer stands at ${seen >>> 0}, expected ${known >>> 0} to ${tail >>> 0}`);
    }
    if (seen !== known) {
      this.refusesSince[lane] = -1;
      this.#passTo(lane, seen);
    }
    return this.takeBack(lane, seen);
  }

  /** Everything before `to` is out of the lane: it counts against nobody's share any more. */
  #passTo(lane: number, to: number): void {
    for (let cursor = this.head[lane] ?? 0; cursor !== to; cursor = advanced(cursor, 1)) {
      this.#counts.letGo(lane, ownerOf(this.#words[this.#entry(lane, cursor)] ?? 0));
    }
    this.head[lane] = to;
  }

  /** Takes back the slots before `to`, as far as the commit has room. */
  takeBack(lane: number, to: number): boolean {
    const number = this.#commit.lane(lane, StagedLane.reclaimed);
    const from = this.#commit.value(number);
    let cursor = from;
    while (cursor !== to && !this.#commit.full) {
      const word0 = this.#words[this.#entry(lane, cursor)] ?? 0;
      this.sendHomeIfFree(ownerOf(word0), slotOf(word0));
      cursor = advanced(cursor, 1);
    }
    if (cursor === from) return false;
    this.#commit.stage(number, cursor);
    return true;
  }

  /** One lane less has the slot; without any it goes home, with this commit. */
  sendHomeIfFree(producer: number, slot: number): void {
    if (this.#counts.release(producer, slot)) this.sendHome(producer, slot);
  }

  /** Stages the slot's way home. Its ring has a place for every slot, so there is always one. */
  sendHome(producer: number, slot: number): void {
    const number = this.#commit.producer(producer, StagedProducer.returnTail);
    const tail = this.#commit.value(number);
    const at = this.#layout.returns + producer * this.#layout.returnStep + (tail & (this.#layout.sizes.slots - 1));
    this.#region.step(Point.writeReturnEntry);
    this.#words[at] = slot;
    this.#commit.stage(number, advanced(tail, 1));
    if (this.#mutants.returnBeforeSeal) {
      Atomics.store(this.#words, this.#layout.producerCursors + producer * cursorWords + 33, advanced(tail, 1));
    }
  }

  /** What becomes of one more message of this producer, room in the ring included. */
  verdict(lane: number, producer: number): PlaceVerdict {
    const verdict = admit(
      this.blocking[lane] === 1,
      this.dropOldest[lane] === 1,
      this.view[lane] === 1,
      this.depth(lane),
      this.capacity[lane] ?? 0,
      this.creditLimit[lane] ?? 0,
      this.#counts.held(lane, producer),
      this.#share,
    );
    if (verdict !== Admission.place && verdict !== Admission.evict) return verdict;
    const reclaimed = this.#mutants.roomFromObserved
      ? this.#commit.value(this.#commit.lane(lane, StagedLane.reclaimed))
      : (this.#words[this.#cursor(lane, LaneCursor.reclaimed)] ?? 0);
    // A successor counts the slots from the sealed cursor on: what stands there may not be written over before the commit.
    if (distance(this.tail[lane] ?? 0, reclaimed) > this.#ringMask) return planEnds;
    return verdict;
  }

  /** Writes the entry behind the staged tail. */
  place(lane: number, word0: number, word1: number, word2: number, word3: number): void {
    const tail = this.tail[lane] ?? 0;
    const at = this.#entry(lane, tail);
    this.#region.step(Point.writeLaneEntry);
    this.#words[at] = word0;
    this.#words[at + 1] = word1;
    this.#words[at + 2] = word2;
    this.#words[at + 3] = word3;
    this.tail[lane] = advanced(tail, 1);
    this.#commit.stage(this.#commit.lane(lane, StagedLane.tail), advanced(tail, 1));
    const producer = ownerOf(word0);
    this.#counts.take(producer, slotOf(word0));
    this.#counts.hold(lane, producer);
  }

  /**
   * A step towards room for one more: freezes the head, so that the consumer cannot take what is evicted, and only with the next call, when the
   * consumer may have made room by itself, takes the oldest entry out and counts it as lost.
   *
   * @returns false if there is no published entry to take, or the consumer cannot be stopped: the plan has to end
   */
  evictOldest(lane: number): boolean {
    if (this.#frozenNow[lane] !== 1) return this.freeze(lane);
    const head = this.head[lane] ?? 0;
    if (distance(this.#committedTail(lane), head) <= 0) return false;
    this.#observer.evicted(lane, head);
    this.#commit.add(this.#commit.lane(lane, StagedLane.droppedOldest), 1);
    this.moveHead(lane, advanced(head, 1));
    return true;
  }

  /** Moves a frozen head; the slots before it come home with the next look. */
  moveHead(lane: number, to: number): void {
    this.#passTo(lane, to);
    this.#commit.stage(this.#commit.lane(lane, StagedLane.head), this.fenced[lane] ? frozen(to) : to);
  }

  /** Freezes the head where the consumer has left it; false if it cannot be, since the consumer moves faster than eight tries. */
  freeze(lane: number): boolean {
    if (this.#frozenNow[lane] || this.fenced[lane]) return true;
    const word = this.#cursor(lane, LaneCursor.head);
    for (let tries = 0; tries < 8; tries += 1) {
      const head = Atomics.load(this.#words, word);
      if (distance(head, this.head[lane] ?? 0) !== 0) {
        this.#observer.evictionLost(lane);
        const tail = this.#committedTail(lane);
        if (distance(head, this.head[lane] ?? 0) < 0 || distance(tail, head) < 0) {
          throw new LaneCorrupt(lane, `its head is ${head >>> 0}, expected up to ${tail >>> 0}`);
        }
        this.refusesSince[lane] = -1;
        this.#passTo(lane, head);
      }
      this.#region.step(Point.freezeHead);
      if (this.#mutants.freezeSkipped || Atomics.compareExchange(this.#words, word, head, frozen(head)) === head) {
        this.#frozenNow[lane] = 1;
        // Also when nothing is evicted after all: the commit thaws it.
        this.#commit.stage(this.#commit.lane(lane, StagedLane.head), head);
        return true;
      }
    }
    return false;
  }

  /** After a commit: its heads are thawed. */
  committed(): void {
    this.#frozenNow.fill(0);
  }

  /** Bytes of an entry, for whoever looks at one from outside. */
  entryBytes(lane: number, cursor: number): number {
    return bytesOf(this.#words[this.#entry(lane, cursor) + 1] ?? 0);
  }

  /** First word of an entry in the ring. */
  entryWord(lane: number, cursor: number): number {
    return this.#entry(lane, cursor);
  }

  /** Takes heads, tails and counts from the segment: after a recovery, or when the lane goes live. */
  reload(lane: number): void {
    const head = Atomics.load(this.#words, this.#cursor(lane, LaneCursor.head));
    const tail = this.#committedTail(lane);
    const thawed = isFrozen(head, tail) ? frozen(head) : head;
    this.head[lane] = this.view[lane] ? Atomics.load(this.#words, this.#cursor(lane, LaneCursor.done)) : thawed;
    this.tail[lane] = tail;
    this.refusesSince[lane] = -1;
    this.#frozenNow[lane] = 0;
  }
}
