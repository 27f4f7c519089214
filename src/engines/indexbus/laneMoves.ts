import type { Millis } from '../../host/clock.ts';
import { endCounts, isEmptyLane, isEnded, isGroupThrough } from './groupEnds.ts';
import { LaneCursor, LaneMode, Seat } from './layout.ts';
import { stateOf } from './seat.ts';
import { seatPlaces } from './seatPlaces.ts';
import type { Segment } from './segment.ts';

interface Seen {
  readonly head: number;
  readonly done: number;
  /** When the consumer last moved, or waited for its group. */
  readonly movedAt: Millis;
  /** Since when it is the consumer itself that is waited for. */
  readonly since: Millis;
}

/**
 * What the consumers of a segment that is emptied do. Those of lanes that block may be slow: what they have not read may not be lost while they work.
 * Whoever has read everything and stays for what a mate may leave to it is not waited for: that one is.
 */
export class LaneMoves {
  readonly #segment: Segment;
  readonly #began: Millis;
  readonly #seen = new Map<number, Seen>();

  /** @param began when the consumers were told to go */
  constructor(segment: Segment, began: Millis) {
    this.#segment = segment;
    this.#began = began;
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
      const isThrough = isEmptyLane(words, place) && (!endCounts(this.#segment, place) || isEnded(words, place));
      const waits = isThrough && !isGroupThrough(this.#segment, words[at + Seat.subscription] ?? 0);
      const movedAt = moved || waits ? now : (seen?.movedAt ?? this.#began);
      this.#seen.set(number, { head, done, movedAt, since: waits ? now : (seen?.since ?? this.#began) });
    }
  }

  /** When the lane's consumer was last seen to have moved, where it blocks, or to wait for its group; else when it was told to go. */
  last(lane: number): Millis {
    return this.#seen.get(lane)?.movedAt ?? this.#began;
  }

  /** Since when the lane's consumer itself is waited for. */
  since(lane: number): Millis {
    return this.#seen.get(lane)?.since ?? this.#began;
  }
}
