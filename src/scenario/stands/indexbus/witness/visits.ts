import {
  cursorWords,
  Header,
  LaneCursor,
  LaneMode,
  ProducerCursor,
  Seat,
  SegmentState,
} from '../../../../engines/indexbus/layout.ts';
import { SeatState } from '../../../../engines/indexbus/seat.ts';
import type { BusBook } from './busBook.ts';
import type { Reader } from './reader.ts';

/** States of lanes of which nothing is given back. */
const settledStates: readonly number[] = [SeatState.free, SeatState.live];
/**
 * Polls until a router has looked at all sources: every 64th, where a fault point may leave out every fourth of what counts, and every fourth
 * poll does not take.
 */
const pollsUntilAll = 2 * 64;
const noValues: ReadonlyMap<number, number> = new Map();

/** What it needs of a book. */
export type VisitBook = Pick<BusBook, 'reader' | 'isHeld' | 'isDead' | 'wantedBy' | 'put'>;

/**
 * Measures how many messages a router takes from other sources before it takes one from a source that has some. Sources that wait for something
 * else are not measured as long as they do: for a consumer, for their own rate, for anybody who wants what they have.
 */
export class Visits {
  readonly #book: VisitBook;
  readonly #reader: Reader;
  readonly #batch: () => number;
  /** Messages taken from others since a source had one to be taken; by producer. */
  readonly #passed = new Map<number, { messages: number; batch: number; readonly leftOut: number }>();
  readonly #leftOut: () => number;

  /**
   * @param batch messages of a poll, at most
   * @param leftOut polls so far in which a fault point has kept the router from listening
   */
  constructor(book: VisitBook, batch: () => number, leftOut: () => number) {
    this.#leftOut = leftOut;
    this.#book = book;
    this.#reader = book.reader;
    this.#batch = batch;
  }

  /** To be called when a commit is sealed and none of it applied, with the words that it will store. */
  sealed(values: ReadonlyMap<number, number>): void {
    const { layout } = this.#reader;
    const { producers } = layout.sizes;
    const heads = Array.from({ length: producers }, (_, seat) => {
      const from = this.#reader.producerCursor(seat, ProducerCursor.sourceHead);
      const to = values.get(layout.producerCursors + seat * cursorWords + ProducerCursor.sourceHead) ?? from;
      return { from, taken: (to - from) | 0 };
    });
    const total = heads.reduce((sum, { taken }) => sum + taken, 0);
    if (total === 0) return;
    const batch = this.#batch();
    for (const [seat, { from, taken }] of heads.entries()) {
      const producer = this.#reader.producer(seat);
      const passed = this.#passed.get(producer);
      if (taken > 0) {
        this.#passed.delete(producer);
        if (passed === undefined) continue;
        // One that died before it rang is found by the look at all sources.
        const turns = this.#book.isDead('producer', producer) ? producers + pollsUntilAll : producers;
        const bound = (turns + this.#leftOut() - passed.leftOut) * passed.batch;
        this.#book.put({ event: 'waited', what: 'visit', who: producer, took: passed.messages, bound });
      } else if (!this.#isDue(seat, from, values, true)) this.#passed.delete(producer);
      else if (passed === undefined) this.#passed.set(producer, { messages: total, batch, leftOut: this.#leftOut() });
      else {
        passed.messages += total;
        // An operator may change it meanwhile.
        passed.batch = Math.max(passed.batch, batch);
      }
    }
  }

  /** A producer whose source the router could take from at once; undefined if there is none. To be asked when no commit is under way. */
  due(): number | undefined {
    const reader = this.#reader;
    // A successor waits for its predecessor, and a lane that ends may keep the keys of its group.
    if (reader.word(Header.state) !== SegmentState.open) return undefined;
    for (let lane = 0; lane < reader.layout.sizes.lanes; lane += 1) {
      if (!settledStates.includes(reader.laneState(lane))) return undefined;
    }
    for (let seat = 0; seat < reader.layout.sizes.producers; seat += 1) {
      const head = reader.producerCursor(seat, ProducerCursor.sourceHead);
      if (this.#isDue(seat, head, noValues, false)) return reader.producer(seat);
    }
    return undefined;
  }

  /** Whether a source has a message, and nothing but the router's order keeps it there. */
  #isDue(seat: number, from: number, values: ReadonlyMap<number, number>, mayBeDead: boolean): boolean {
    const reader = this.#reader;
    const producer = reader.producer(seat);
    if (reader.producerState(seat) !== SeatState.live) return false;
    if (!this.#book.isHeld('producer', producer) && !(mayBeDead && this.#book.isDead('producer', producer)))
      return false;
    if (((reader.producerCursor(seat, ProducerCursor.sourceTail) - from) | 0) <= 0) return false;
    if (reader.producerSeat(seat, Seat.capacityOrRate) !== 0) return false;
    const { topic } = reader.source(seat, from);
    let isWanted = false;
    for (let lane = 0; lane < reader.layout.sizes.lanes; lane += 1) {
      const state = reader.laneState(lane);
      if (state !== SeatState.live && state !== SeatState.leaving) continue;
      if (this.#book.wantedBy(reader.laneSeat(lane, Seat.subscription), topic) === undefined) continue;
      isWanted = true;
      if (this.#isFull(lane, values)) return false;
    }
    return isWanted;
  }

  /** Whether a lane lets sources wait: it blocks and is full, or its ring has no place for the moment. */
  #isFull(lane: number, values: ReadonlyMap<number, number>): boolean {
    const reader = this.#reader;
    const cursors = reader.layout.laneCursors + lane * cursorWords;
    const tail = values.get(cursors + LaneCursor.tail) ?? reader.laneCursor(lane, LaneCursor.tail);
    if (((tail - reader.laneCursor(lane, LaneCursor.reclaimed)) | 0) >= reader.layout.sizes.laneRing) return true;
    if ((reader.laneSeat(lane, Seat.mode) & LaneMode.blocking) === 0) return false;
    const isView = reader.laneSeat(lane, Seat.access) === 1;
    const depth = (tail - (isView ? reader.laneCursor(lane, LaneCursor.done) : reader.head(lane))) | 0;
    const capacity = reader.laneSeat(lane, Seat.capacityOrRate);
    return depth >= Math.min(capacity, reader.laneSeat(lane, Seat.creditLimit) || capacity);
  }
}
