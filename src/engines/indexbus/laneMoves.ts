import type { Millis } from '../../host/clock.ts';
import { LaneCursor, LaneMode, Seat } from './layout.ts';
import { stateOf } from './seat.ts';
import { type SeatPlace, seatPlaces } from './seatPlaces.ts';
import type { Segment } from './segment.ts';

interface Seen {
  readonly head: number;
  readonly done: number;
  readonly movedAt: Millis;
  readonly since: Millis;
}

/**
 * What the consumers of a segment that is emptied do. Those of lanes that block may be slow: what they have not read may not be lost while they work.
 */
export class LaneMoves {
  readonly #segment: Segment;
  /** When the segment began to be emptied. */
  readonly began: Millis;
  /** Whether it is the lane's consumer that has to do something next, and not somebody else. */
  readonly isWaitedFor: (place: SeatPlace) => boolean;
  readonly #seen = new Map<number, Seen>();

  /**
   * @param began when the segment began to be emptied
   * @param isWaitedFor as the property
   */
  constructor(segment: Segment, began: Millis, isWaitedFor: (place: SeatPlace) => boolean) {
    this.#segment = segment;
    this.began = began;
    this.isWaitedFor = isWaitedFor;
  }

  /** Looks how far they have come; `now` is when. */
  look(now: Millis): void {
    const { words, layout } = this.#segment;
    for (const place of seatPlaces(layout, 'consumer')) {
      const { number, at, cursors } = place;
      if (stateOf(Atomics.load(words, at)) !== 'live') continue;
      const head = Atomics.load(words, cursors + LaneCursor.head);
      const done = Atomics.load(words, cursors + LaneCursor.done);
      const isBlocking = ((words[at + Seat.mode] ?? 0) & LaneMode.blocking) !== 0;
      const seen = this.#seen.get(number);
      const moved = isBlocking && (seen === undefined || seen.head !== head || seen.done !== done);
      const isFree = !this.isWaitedFor(place);
      const movedAt = moved || isFree ? now : (seen?.movedAt ?? this.began);
      this.#seen.set(number, { head, done, movedAt, since: isFree ? now : (seen?.since ?? this.began) });
    }
  }

  /** When the lane's consumer was last seen to have moved, where it blocks, or not to be waited for; else when all began. */
  last(lane: number): Millis {
    return this.#seen.get(lane)?.movedAt ?? this.began;
  }

  /** Since when it is the lane's consumer that is waited for. */
  since(lane: number): Millis {
    return this.#seen.get(lane)?.since ?? this.began;
  }
}
