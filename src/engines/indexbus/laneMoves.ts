import type { Millis } from '../../host/clock.ts';
import { LaneCursor, LaneMode, Seat } from './layout.ts';
import { seatPlaces } from './seatPlaces.ts';
import type { Segment } from './segment.ts';

/** When the consumers of lanes that block last took or ended something: what they have not read may not be lost while they work. */
export class LaneMoves {
  readonly #segment: Segment;
  readonly #seen = new Map<number, { readonly head: number; readonly done: number; readonly at: Millis }>();

  constructor(segment: Segment) {
    this.#segment = segment;
  }

  /** Looks how far they have come; `now` is when. */
  look(now: Millis): void {
    const { words, layout } = this.#segment;
    for (const { number, at, cursors } of seatPlaces(layout, 'consumer')) {
      if (((words[at + Seat.mode] ?? 0) & LaneMode.blocking) === 0) continue;
      const head = Atomics.load(words, cursors + LaneCursor.head);
      const done = Atomics.load(words, cursors + LaneCursor.done);
      const seen = this.#seen.get(number);
      if (seen?.head !== head || seen.done !== done) this.#seen.set(number, { head, done, at: now });
    }
  }

  /** When the lane's consumer was last seen to have moved; of a lane that does not block: never. */
  last(lane: number): Millis {
    return this.#seen.get(lane)?.at ?? Number.NEGATIVE_INFINITY;
  }
}
