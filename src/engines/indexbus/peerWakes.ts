import { cursorWords, LaneCursor, ProducerCursor } from './layout.ts';
import { Point } from './points.ts';
import type { RouterParts } from './routerParts.ts';
import { wake } from './seatChange.ts';

/** Wakes those who sleep until the router has something for them: after each commit, once for all that it brought. */
export class PeerWakes {
  /** Sleepers woken: consumers, producers. */
  readonly counts = new Float64Array(2);
  readonly #parts: RouterParts;
  readonly #words: Int32Array;
  /** Tails of lanes, and of return rings, whose owners were woken last. */
  readonly #lanes: Int32Array;
  readonly #producers: Int32Array;

  constructor(parts: RouterParts) {
    this.#parts = parts;
    this.#words = parts.region.words;
    this.#lanes = new Int32Array(parts.lanes.count);
    this.#producers = new Int32Array(parts.sources.count);
  }

  /** Wakes consumers whose lane has got something, or whose head was frozen and is not any more, and producers whose slots came home, if they sleep. */
  wake(): void {
    const { layout, region, lanes, sources } = this.#parts;
    for (let index = 0; index < lanes.activeCount; index += 1) {
      const lane = lanes.active[index] ?? 0;
      const tail = lanes.tail[lane] ?? 0;
      if (tail === this.#lanes[lane] && lanes.thawed[lane] !== 1) continue;
      this.#lanes[lane] = tail;
      lanes.thawed[lane] = 0;
      const at = layout.laneCursors + lane * cursorWords;
      region.step(Point.wakePeers);
      if (Atomics.load(this.#words, at + LaneCursor.sleeping) === 0) continue;
      wake(region, at + LaneCursor.wake);
      this.counts[0] = (this.counts[0] ?? 0) + 1;
    }
    for (let index = 0; index < sources.activeCount; index += 1) {
      const producer = sources.active[index] ?? 0;
      const at = layout.producerCursors + producer * cursorWords;
      const tail = this.#words[at + ProducerCursor.returnTail] ?? 0;
      if (tail === this.#producers[producer]) continue;
      this.#producers[producer] = tail;
      region.step(Point.wakePeers);
      if (Atomics.load(this.#words, at + ProducerCursor.waiting) === 0) continue;
      wake(region, at + ProducerCursor.wake);
      this.counts[1] = (this.counts[1] ?? 0) + 1;
    }
  }

  /** After a recovery: nobody sleeps over what a predecessor has committed and not told. */
  wakeAll(): void {
    const { layout, region, lanes, sources } = this.#parts;
    for (let lane = 0; lane < lanes.count; lane += 1) {
      wake(region, layout.laneCursors + lane * cursorWords + LaneCursor.wake);
    }
    for (let producer = 0; producer < sources.count; producer += 1) {
      wake(region, layout.producerCursors + producer * cursorWords + ProducerCursor.wake);
    }
  }
}
