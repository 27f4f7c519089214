import type { Region } from '../../host/sharedMemory.ts';
import { distance } from './cursor.ts';
import { cursorWords, type Layout, ProducerCursor } from './layout.ts';
import { Point } from './points.ts';

/**
 * The slots that a producer has at home: a stack in its own memory, filled from the ring on which the router sends them back. Last used, first used
 * again, so a producer that is never far ahead stays within few cache lines.
 */
export class SlotStack {
  readonly #region: Region;
  readonly #words: Int32Array;
  readonly #stack: Int32Array;
  readonly #ring: number;
  readonly #mask: number;
  readonly #headWord: number;
  readonly #tailWord: number;
  #count: number;
  #head: number;

  /** All slots are at home: the seat was given to a holder with a whole pool. */
  constructor(region: Region, layout: Layout, producer: number) {
    const { slots } = layout.sizes;
    this.#region = region;
    this.#words = region.words;
    this.#ring = layout.returns + producer * layout.returnStep;
    this.#mask = slots - 1;
    this.#headWord = layout.producerCursors + producer * cursorWords + ProducerCursor.returnHead;
    this.#tailWord = layout.producerCursors + producer * cursorWords + ProducerCursor.returnTail;
    this.#head = Atomics.load(this.#words, this.#headWord);
    this.#stack = new Int32Array(slots);
    // The first to be taken is slot 0.
    for (let index = 0; index < slots; index += 1) this.#stack[index] = slots - 1 - index;
    this.#count = slots;
  }

  /** Slots at home, as far as is known. */
  get count(): number {
    return this.#count;
  }

  /** The slot that `take` would give, -1 for none. Looks for returned ones where none is left. */
  peek(): number {
    if (this.#count === 0 && !this.fetch()) return -1;
    return this.#stack[this.#count - 1] ?? -1;
  }

  /** Takes the slot that `peek` has shown. */
  take(): void {
    this.#count -= 1;
  }

  /** Fetches what the router has sent back; false if that is nothing. */
  fetch(): boolean {
    this.#region.step(Point.readReturns);
    const tail = Atomics.load(this.#words, this.#tailWord);
    const came = distance(tail, this.#head);
    if (came === 0) return false;
    if (came < 0 || came + this.#count > this.#mask + 1) {
      throw new Error(`${came} slots came home to ${this.#count}, of ${this.#mask + 1} in all`);
    }
    for (let index = 0; index < came; index += 1) {
      this.#stack[this.#count] = this.#words[this.#ring + ((this.#head + index) & this.#mask)] ?? 0;
      this.#count += 1;
    }
    this.#head = tail;
    Atomics.store(this.#words, this.#headWord, tail);
    return true;
  }
}
