import type { Region } from '../../host/sharedMemory.ts';
import type { Telemetry } from '../../host/telemetry.ts';
import { distance } from './cursor.ts';
import { BusError } from './errors.ts';
import { cursorWords, type Layout, ProducerCursor } from './layout.ts';
import { Point } from './points.ts';

/**
 * The slots that a producer has at home: a stack in its own memory, filled from the ring on which the router sends them back. Last used, first used
 * again, so a producer that is never far ahead stays within few cache lines.
 */
export class SlotStack {
  readonly #region: Region;
  readonly #telemetry: Pick<Telemetry, 'buggify'>;
  readonly #words: Int32Array;
  readonly #stack: Int32Array;
  readonly #ring: number;
  readonly #mask: number;
  readonly #headWord: number;
  readonly #tailWord: number;
  #count: number;
  #head: number;

  /** All slots are at home: the seat was given to a holder with a whole pool. */
  constructor(region: Region, layout: Layout, producer: number, telemetry: Pick<Telemetry, 'buggify'>) {
    const { slots } = layout.sizes;
    this.#region = region;
    this.#telemetry = telemetry;
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

  /** Takes a slot while more than `kept` are at home; -1 if that is not so, as far as is known. */
  takeAbove(kept: number): number {
    const count = this.#count;
    if (count <= kept) return -1;
    this.#count = count - 1;
    return this.#stack[count - 1] ?? -1;
  }

  /** Fetches what the router has sent back; false if that is nothing. Throws IB_CORRUPT for what cannot have come. */
  fetch(): boolean {
    this.#region.step(Point.readReturns);
    const tail = Atomics.load(this.#words, this.#tailWord);
    const came = distance(tail, this.#head);
    if (came === 0) return false;
    if (came < 0 || came + this.#count > this.#mask + 1) {
      throw damaged(`up to ${this.#mask + 1 - this.#count} slots`, `${came} slots`);
    }
    const takeLast = this.#telemetry.buggify('slot-take-last');
    const words = this.#words;
    const stack = this.#stack;
    const ring = this.#ring;
    const mask = this.#mask;
    const head = this.#head;
    const count = this.#count;
    for (let index = 0; index < came; index += 1) {
      const from = takeLast ? came - 1 - index : index;
      const slot = words[ring + ((head + from) & mask)] ?? 0;
      // A slot that is none would let the next payload write over somebody else's words.
      if (slot >>> 0 > mask) throw damaged(`a slot of 0 to ${mask}`, String(slot));
      stack[count + index] = slot;
    }
    this.#count += came;
    this.#head = tail;
    Atomics.store(this.#words, this.#headWord, tail);
    return true;
  }
}

function damaged(expected: string, got: string): BusError {
  return new BusError('IB_CORRUPT', 'what came home to this producer is not its own: fence it, then look at its seat', {
    expected,
    got,
  });
}
