import { frozen, isFrozen } from '../../../../engines/indexbus/cursor.ts';
import { ownerOf, redeliveredFlag, requeuedFlag, slotOf, topicOf } from '../../../../engines/indexbus/descriptor.ts';
import {
  cursorWords,
  LaneCursor,
  type Layout,
  ProducerCursor,
  Redo,
  Seat,
  seatWords,
} from '../../../../engines/indexbus/layout.ts';

/** Number of who holds a seat: its epoch and its place. */
export function incarnation(word: number, seat: number): number {
  return ((word >>> 4) << 6) | seat;
}

/** Seat of an incarnation's number. */
export function seatOf(number: number): number {
  return number & 63;
}

/** A message as it stands in a lane. */
export interface Entry {
  /** Seat of its producer. */
  readonly owner: number;
  readonly producer: number;
  readonly slot: number;
  readonly sequence: number;
  readonly requeued: boolean;
  readonly redelivered: boolean;
}

/** Reads a segment as anybody may who knows its layout; shares no code with the router but the numbers of words. */
export class Reader {
  readonly words: Int32Array;
  readonly layout: Layout;

  constructor(words: Int32Array, layout: Layout) {
    this.words = words;
    this.layout = layout;
  }

  word(at: number): number {
    return Atomics.load(this.words, at);
  }

  producerSeat(seat: number, field = 0): number {
    return this.word(this.layout.producerSeats + seat * seatWords + field);
  }

  laneSeat(seat: number, field = 0): number {
    return this.word(this.layout.laneSeats + seat * seatWords + field);
  }

  producer(seat: number): number {
    return incarnation(this.producerSeat(seat), seat);
  }

  lane(seat: number): number {
    return incarnation(this.laneSeat(seat), seat);
  }

  laneState(seat: number): number {
    return this.laneSeat(seat) & 15;
  }

  producerState(seat: number): number {
    return this.producerSeat(seat) & 15;
  }

  lanePid(seat: number): number {
    return this.laneSeat(seat, Seat.pid);
  }

  producerPid(seat: number): number {
    return this.producerSeat(seat, Seat.pid);
  }

  laneCursor(seat: number, field: number): number {
    return this.word(this.layout.laneCursors + seat * cursorWords + field);
  }

  producerCursor(seat: number, field: (typeof ProducerCursor)[keyof typeof ProducerCursor]): number {
    return this.word(this.layout.producerCursors + seat * cursorWords + field);
  }

  /** Messages in a source, of which the router knows. */
  sourceDepth(seat: number): number {
    return (
      (this.producerCursor(seat, ProducerCursor.sourceTail) - this.producerCursor(seat, ProducerCursor.sourceHead)) | 0
    );
  }

  /** Messages in a lane that its consumer has not taken. */
  laneDepth(seat: number): number {
    return (this.laneCursor(seat, LaneCursor.tail) - this.head(seat)) | 0;
  }

  /** The head without the freeze. */
  head(seat: number): number {
    return this.thawed(this.laneCursor(seat, LaneCursor.head), this.laneCursor(seat, LaneCursor.tail));
  }

  thawed(head: number, near: number): number {
    return isFrozen(head, near) ? frozen(head) : head;
  }

  entry(seat: number, cursor: number): Entry {
    const { laneRing } = this.layout.sizes;
    const at = this.layout.laneRings + seat * this.layout.laneRingStep + (cursor & (laneRing - 1)) * 4;
    const owner = ownerOf(this.words[at] ?? 0);
    const flags = this.words[at + 1] ?? 0;
    return {
      owner,
      producer: this.producer(owner),
      slot: slotOf(this.words[at] ?? 0),
      sequence: this.words[at + 3] ?? 0,
      requeued: (flags & requeuedFlag) !== 0,
      redelivered: (flags & redeliveredFlag) !== 0,
    };
  }

  source(seat: number, cursor: number): { readonly slot: number; readonly topic: number; readonly sequence: number } {
    const at = this.layout.sources + seat * this.layout.sourceStep + (cursor & (this.layout.sizes.slots - 1)) * 4;
    return { slot: this.words[at] ?? 0, topic: topicOf(this.words[at + 2] ?? 0), sequence: this.words[at + 3] ?? 0 };
  }

  /** Slot on its way home. */
  returning(seat: number, cursor: number): number {
    const { returns, returnStep, sizes } = this.layout;
    return this.word(returns + seat * returnStep + (cursor & (sizes.slots - 1)));
  }

  /** Whether a commit was sealed that nobody has finished yet. */
  get isHalfApplied(): boolean {
    return this.word(this.layout.redo + Redo.sealed) !== this.word(this.layout.redo + Redo.done);
  }

  /** Cursors from one to the other. */
  *between(from: number, to: number): Generator<number> {
    for (let cursor = from; cursor !== to; cursor = (cursor + 1) | 0) yield cursor;
  }
}
