import type { Commit } from './commit.ts';
import { advanced, distance, frozen, isFrozen } from './cursor.ts';
import { ownerOf, slotOf } from './descriptor.ts';
import { BusError } from './errors.ts';
import {
  cursorWords,
  DetachReason,
  Header,
  LaneCursor,
  type Layout,
  ProducerCursor,
  Seat,
  SegmentState,
  seatWords,
} from './layout.ts';
import type { IndexbusMutantFlags } from './mutants.ts';
import { Point } from './points.ts';
import { finishChange } from './recordChange.ts';
import { stateOf } from './seat.ts';
import type { Segment } from './segment.ts';

/** What a router found when it took a segment over. */
export interface RecoveryReport {
  readonly epoch: number;
  /** Whether a sealed commit of a predecessor had to be finished. */
  readonly redo: 'none' | 'finished';
  /** Heads that its predecessor had frozen and not moved. */
  readonly thawed: number;
  /** Whether a predecessor died while it recovered. */
  readonly again: boolean;
}

/**
 * Takes a segment over from whoever routed before: finishes its last commit, thaws the heads that it froze, checks every distance and slot.
 * Whoever dies in it, leaves a segment that the next one recovers to the same state. The caller holds the router's lock.
 *
 * The redo record is checked and finished first, since a commit that is half applied may look damaged.
 *
 * Throws IB_CORRUPT; the segment is retired then, and needs a new generation.
 */
export function recover(segment: Segment, commit: Commit, mutants: IndexbusMutantFlags): RecoveryReport {
  const { region, words } = segment;
  const isRolled = Atomics.load(words, Header.successor) !== 0;
  // What consumers have not taken of one that was rolled is theirs.
  if (Atomics.load(words, Header.state) === SegmentState.retired && !isRolled) {
    throw new BusError('IB_RETIRED', `segment ${segment.name} is retired: build its next generation`);
  }
  region.step(Point.raiseEpoch);
  const before = Atomics.add(words, Header.routerEpoch, 1);
  const epoch = (before + 1) | 0;
  const again = Atomics.load(words, Header.recoveredEpoch) !== before;
  try {
    const finished = mutants.redoSkipped ? false : commit.finishPredecessors(mutants.redoUnsealed);
    finishChange(region, segment.layout);
    const thawed = thaw(segment);
    region.step(Point.recount);
    new Inspection(segment).all();
    commit.reload();
    return { epoch, redo: finished ? 'finished' : 'none', thawed, again };
  } catch (error) {
    if (error instanceof BusError && error.code === 'IB_CORRUPT') {
      region.step(Point.retireSegment);
      Atomics.store(words, Header.state, SegmentState.retired);
    }
    throw error;
  }
}

/** A recovery has ended: whoever routes next does not find it half done. */
export function recovered({ words }: Segment, epoch: number): void {
  Atomics.store(words, Header.recoveredEpoch, epoch);
}

/**
 * A fault point: all cursors of a segment that nobody has used stand just below 2^32, so that they wrap early. To be called before anybody joins.
 */
export function startNearWrap({ words, layout }: Segment): void {
  const start = -5;
  for (let producer = 0; producer < layout.sizes.producers; producer += 1) {
    const at = layout.producerCursors + producer * cursorWords;
    words[at + ProducerCursor.sourceTail] = start;
    words[at + ProducerCursor.sourceHead] = start;
    words[at + ProducerCursor.returnHead] = start;
    words[at + ProducerCursor.returnTail] = start;
  }
  for (let lane = 0; lane < layout.sizes.lanes; lane += 1) {
    const at = layout.laneCursors + lane * cursorWords;
    words[at + LaneCursor.head] = start;
    words[at + LaneCursor.done] = start;
    words[at + LaneCursor.tail] = start;
    words[at + LaneCursor.reclaimed] = start;
  }
}

/** Thaws the heads of live lanes: those of lanes that end stay as they are. */
function thaw({ region, words, layout }: Segment): number {
  let thawed = 0;
  for (let lane = 0; lane < layout.sizes.lanes; lane += 1) {
    const state = stateOf(Atomics.load(words, layout.laneSeats + lane * seatWords));
    if (state !== 'live' && state !== 'leaving') continue;
    const at = layout.laneCursors + lane * cursorWords;
    const head = Atomics.load(words, at + LaneCursor.head);
    if (!isFrozen(head, Atomics.load(words, at + LaneCursor.tail))) continue;
    region.step(Point.thaw);
    Atomics.compareExchange(words, at + LaneCursor.head, head, frozen(head));
    thawed += 1;
  }
  return thawed;
}

/** Checks that what the cursors of a segment say can be. */
class Inspection {
  readonly #words: Int32Array;
  readonly #layout: Layout;
  readonly #name: string;
  /** By producer and slot: 1 in lanes, 2 in its source or on its way home. */
  readonly #places: Uint8Array;

  constructor(segment: Segment) {
    this.#words = segment.words;
    this.#layout = segment.layout;
    this.#name = segment.name;
    this.#places = new Uint8Array(segment.layout.sizes.producers * segment.layout.sizes.slots);
  }

  all(): void {
    for (let lane = 0; lane < this.#layout.sizes.lanes; lane += 1) this.#lane(lane);
    for (let producer = 0; producer < this.#layout.sizes.producers; producer += 1) this.#producer(producer);
  }

  #fail(what: string): never {
    throw new BusError('IB_CORRUPT', `segment ${this.#name} is damaged: ${what}`);
  }

  #within(what: string, from: number, to: number, most: number): void {
    const between = distance(to, from);
    if (between < 0 || between > most) {
      this.#fail(`${what} is ${to >>> 0}, expected 0 to ${most} above ${from >>> 0}`);
    }
  }

  #lane(lane: number): void {
    const { laneRing, producers, slots } = this.#layout.sizes;
    const word = (field: number): number =>
      Atomics.load(this.#words, this.#layout.laneCursors + lane * cursorWords + field);
    const state = stateOf(Atomics.load(this.#words, this.#layout.laneSeats + lane * seatWords));
    if (state === undefined) this.#fail(`the seat of lane ${lane} is in no state`);
    const tail = word(LaneCursor.tail);
    const reclaimed = word(LaneCursor.reclaimed);
    this.#within(`tail of lane ${lane}`, reclaimed, tail, laneRing);
    // Nobody has the seat: the router sets the other cursors when somebody comes.
    if ((state === 'free' || state === 'claimed' || state === 'ready') && word(LaneCursor.backlog) === 0) {
      if (reclaimed !== tail) this.#fail(`lane ${lane} is free and has ${distance(tail, reclaimed)} entries`);
      return;
    }
    const head = isFrozen(word(LaneCursor.head), tail) ? frozen(word(LaneCursor.head)) : word(LaneCursor.head);
    this.#within(`head of lane ${lane}`, reclaimed, head, distance(tail, reclaimed));
    for (let cursor = reclaimed; cursor !== tail; cursor = advanced(cursor, 1)) {
      const at = this.#layout.laneRings + lane * this.#layout.laneRingStep + (cursor & (laneRing - 1)) * 4;
      const word0 = this.#words[at] ?? 0;
      if (ownerOf(word0) >= producers || slotOf(word0) >= slots) {
        this.#fail(`entry ${cursor >>> 0} of lane ${lane} names slot ${slotOf(word0)} of producer ${ownerOf(word0)}`);
      }
      this.#places[ownerOf(word0) * slots + slotOf(word0)] = 1;
    }
  }

  #producer(producer: number): void {
    const { slots } = this.#layout.sizes;
    const word = (field: number): number =>
      Atomics.load(this.#words, this.#layout.producerCursors + producer * cursorWords + field);
    const state = stateOf(Atomics.load(this.#words, this.#layout.producerSeats + producer * seatWords));
    if (state === undefined) this.#fail(`the seat of producer ${producer} is in no state`);
    if (state === 'free' || state === 'claimed' || state === 'ready') return;
    const head = word(ProducerCursor.sourceHead);
    const seat = this.#layout.producerSeats + producer * seatWords;
    const fenced = state !== 'live' && state !== 'leaving' && this.#words[seat + Seat.reason] !== DetachReason.none;
    const tail = fenced ? (this.#words[seat + Seat.fenceTail] ?? 0) : word(ProducerCursor.sourceTail);
    this.#within(`source tail of producer ${producer}`, head, tail, slots);
    for (let cursor = head; cursor !== tail; cursor = advanced(cursor, 1)) {
      const at = this.#layout.sources + producer * this.#layout.sourceStep + (cursor & (slots - 1)) * 4;
      this.#alone(producer, this.#words[at] ?? 0, 'its source');
    }
    const returnHead = word(ProducerCursor.returnHead);
    const returnTail = word(ProducerCursor.returnTail);
    this.#within(`return tail of producer ${producer}`, returnHead, returnTail, slots);
    for (let cursor = returnHead; cursor !== returnTail; cursor = advanced(cursor, 1)) {
      const at = this.#layout.returns + producer * this.#layout.returnStep + (cursor & (slots - 1));
      this.#alone(producer, this.#words[at] ?? 0, 'its return ring');
    }
  }

  /** A slot is in its source or on its way home once, and then in no lane. */
  #alone(producer: number, slot: number, where: string): void {
    const { slots } = this.#layout.sizes;
    if (slot < 0 || slot >= slots)
      this.#fail(`producer ${producer} has slot ${slot} in ${where}, expected below ${slots}`);
    const at = producer * slots + slot;
    if (this.#places[at] !== 0) this.#fail(`slot ${slot} of producer ${producer} is in ${where} and elsewhere`);
    this.#places[at] = 2;
  }
}
