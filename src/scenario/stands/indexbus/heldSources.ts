import type { BusEvent } from '../../../checkers/indexbus/events.ts';
import { cursorWords, LaneCursor, LaneMode, ProducerCursor, Seat } from '../../../engines/indexbus/layout.ts';
import { SeatState } from '../../../engines/indexbus/seat.ts';
import type { World } from '../../../sim/world.ts';
import type { BusBook } from './witness/busBook.ts';
import { seatOf } from './witness/reader.ts';

/** What may come on top of the polls: the fence itself. */
const slackMs = 10;

interface Held {
  /** Where the lane stood, and what its consumer may take, when it was first seen to hold a source. */
  readonly head: number;
  readonly limitMs: number;
  readonly sinceMs: number;
  /** How long its router stood still meanwhile: so much later may the lane be fenced. */
  excusedMs: number;
  isTold: boolean;
}

/**
 * Measures how long a lane that blocks and does not move may hold the sources behind it: one that gets each message, or the only one of its group,
 * since what one of several refuses another may take. It looks now and then: what it measures is too short by
 * at most the time between two looks, and never too long.
 */
export class HeldSources {
  readonly #world: World;
  readonly #book: BusBook;
  readonly #pollMs: () => number;
  /** By lane. */
  readonly #held = new Map<number, Held>();
  #isRouted = false;

  constructor(world: World, book: BusBook, pollMs: () => number) {
    this.#world = world;
    this.#book = book;
    this.#pollMs = pollMs;
  }

  /** Something else holds the router up, nobody knows how much. */
  disturb(): void {
    this.#held.clear();
  }

  /** The router stood still so long, and goes on. Whoever is looked at is looked at on: many short stops must not hide a long wait. */
  excuse(stoodMs: number): void {
    for (const held of this.#held.values()) held.excusedMs += stoodMs;
  }

  /** To be called with each event of the book. */
  saw(event: BusEvent): void {
    if (event.event === 'router-began' || event.event === 'router-over') {
      this.#isRouted = event.event === 'router-began';
      this.disturb();
    }
    if (event.event !== 'lane-fenced') return;
    const held = this.#held.get(event.lane);
    // Its consumer may have moved since the last look: the time of the lane begins anew then.
    if (held !== undefined && this.#book.reader.head(seatOf(event.lane)) === held.head) this.#tell(event.lane, held);
    this.#held.delete(event.lane);
  }

  /** To be called again and again. */
  look(): void {
    if (!this.#isRouted) return;
    const { reader } = this.#book;
    const holders = this.#holders();
    for (const lane of [...this.#held.keys()]) if (!holders.has(lane)) this.#held.delete(lane);
    for (const [lane, seat] of holders) {
      const head = reader.head(seat);
      const limitMs = reader.laneSeat(seat, Seat.detachAfterMs);
      const held = this.#held.get(lane);
      if (held === undefined || held.head !== head || held.limitMs !== limitMs) {
        this.#held.set(lane, { head, limitMs, sinceMs: this.#world.now, excusedMs: 0, isTold: false });
      } else if (this.#world.now - held.sinceMs > this.#bound(held) && !held.isTold) {
        held.isTold = true;
        this.#tell(lane, held);
      }
    }
  }

  #bound({ limitMs, excusedMs }: Held): number {
    return limitMs + excusedMs + 2 * this.#pollMs() + slackMs;
  }

  #tell(lane: number, held: Held): void {
    const took = this.#world.now - held.sinceMs;
    this.#book.put({ event: 'waited', what: 'source-behind-stalled-lane', who: lane, took, bound: this.#bound(held) });
  }

  /** Lanes that alone keep the first message of a source where it is, with their seats. */
  #holders(): ReadonlyMap<number, number> {
    const { reader } = this.#book;
    const { producers, lanes } = reader.layout.sizes;
    const holders = new Map<number, number>();
    for (let producer = 0; producer < producers; producer += 1) {
      if (reader.producerState(producer) !== SeatState.live || reader.sourceDepth(producer) <= 0) continue;
      const { topic } = reader.source(producer, reader.producerCursor(producer, ProducerCursor.sourceHead));
      const full: number[] = [];
      let others = 0;
      for (let lane = 0; lane < lanes; lane += 1) {
        if (reader.laneState(lane) === SeatState.free) continue;
        const record = reader.laneSeat(lane, Seat.subscription);
        const mode = this.#book.wantedBy(record, topic);
        if (mode === undefined) continue;
        // Another lane of a group may take it, or has older ones to give back first.
        if (mode !== 'broadcast' && this.#isShared(record, lane)) others += this.#isFull(lane) ? 1 : 0;
        else if (reader.laneState(lane) === SeatState.live && this.#isFull(lane)) full.push(lane);
      }
      if (others > 0) continue;
      const [only] = full;
      if (only === undefined || full.length > 1 || reader.laneSeat(only, Seat.detachAfterMs) === 0) continue;
      holders.set(reader.lane(only), only);
    }
    return holders;
  }

  /** Whether a group has other lanes than this one. */
  #isShared(record: number, lane: number): boolean {
    const { reader } = this.#book;
    for (let other = 0; other < reader.layout.sizes.lanes; other += 1) {
      if (other === lane || reader.laneState(other) === SeatState.free) continue;
      if (reader.laneSeat(other, Seat.subscription) === record) return true;
    }
    return false;
  }

  #isFull(lane: number): boolean {
    const { reader } = this.#book;
    if ((reader.laneSeat(lane, Seat.mode) & LaneMode.blocking) === 0) return false;
    const isView = reader.laneSeat(lane, Seat.access) === 1;
    const cursors = reader.layout.laneCursors + lane * cursorWords;
    const from = isView ? reader.word(cursors + LaneCursor.done) : reader.head(lane);
    const depth = (reader.word(cursors + LaneCursor.tail) - from) | 0;
    const capacity = reader.laneSeat(lane, Seat.capacityOrRate);
    return depth >= Math.min(capacity, reader.laneSeat(lane, Seat.creditLimit) || capacity);
  }
}
