import type { Millis } from '../../host/clock.ts';
import { distance, frozen, isFrozen } from './cursor.ts';
import { ownerOf, slotOf } from './descriptor.ts';
import { cursorWords, LaneCursor, Slot } from './layout.ts';
import type { Segment } from './segment.ts';

/** Where a lane's consumer stands, also while the router has stopped it. @param at first word of the lane's cursors */
export function shownHead(words: Int32Array, at: number): number {
  const head = Atomics.load(words, at + LaneCursor.head);
  return isFrozen(head, Atomics.load(words, at + LaneCursor.tail)) ? frozen(head) : head;
}

/** A message that was published a moment after `now` was read is new, and not as old as its stamp can tell. */
const raceMicros = 1_000_000;

/**
 * How long the oldest message of each lane has waited. Its stamp has 32 bits of microseconds, which go round within 72 minutes: of a consumer that stands
 * longer the age goes on from the first look at the message.
 */
export class LaneAges {
  readonly #segment: Segment;
  readonly #heads: Int32Array;
  /** When the message at the head was published, by the looks so far; NaN without any. */
  readonly #since: Float64Array;

  constructor(segment: Segment) {
    this.#segment = segment;
    this.#heads = new Int32Array(segment.layout.sizes.lanes);
    this.#since = new Float64Array(segment.layout.sizes.lanes).fill(Number.NaN);
  }

  /** Looks at all lanes: to be called more often than stamps go round. */
  tick(now: Millis): void {
    for (let lane = 0; lane < this.#heads.length; lane += 1) this.oldestMs(lane, now);
  }

  /** Age of the oldest unread message of a lane, in milliseconds; 0 without any. What is read may be on its way out. */
  oldestMs(lane: number, now: Millis): number {
    const { words, layout } = this.#segment;
    const at = layout.laneCursors + lane * cursorWords;
    const head = shownHead(words, at);
    if (distance(Atomics.load(words, at + LaneCursor.tail), head) <= 0) {
      this.#since[lane] = Number.NaN;
      return 0;
    }
    if (Number.isNaN(this.#since[lane] ?? Number.NaN) || this.#heads[lane] !== head) {
      this.#heads[lane] = head;
      this.#since[lane] = now - this.#stampAgeMs(lane, head, now);
    }
    return Math.max(0, now - (this.#since[lane] ?? now));
  }

  #stampAgeMs(lane: number, head: number, now: Millis): number {
    const { words, layout } = this.#segment;
    const { laneRing, producers, slots } = layout.sizes;
    const entry = layout.laneRings + lane * layout.laneRingStep + (head & (laneRing - 1)) * 4;
    const word0 = words[entry] ?? 0;
    if (ownerOf(word0) >= producers || slotOf(word0) >= slots) return 0;
    const slot = layout.pools + ownerOf(word0) * layout.poolStep + slotOf(word0) * layout.slotWords;
    const micros = (Math.floor(now * 1_000) - (words[slot + Slot.publishedAt] ?? 0)) >>> 0;
    return micros > 2 ** 32 - raceMicros ? 0 : micros / 1_000;
  }
}
