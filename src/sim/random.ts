import seedrandom from 'seedrandom';
import type { Random, RandomStream } from '../host/random.ts';
import { deriveSeed } from './hash.ts';
import type { Trace } from './trace.ts';

const TWO_32 = 0x1_0000_0000;

/** A stream of the simulator: Baagøe's Alea, seeded by root seed and label. Every draw goes into the trace. */
class SimRandomStream implements RandomStream {
  readonly #label: string;
  readonly #trace: Trace;
  readonly #generator: { int32(): number };

  constructor(label: string, seed: string, trace: Trace) {
    this.#label = label;
    this.#trace = trace;
    this.#generator = seedrandom.alea(seed, { state: true });
  }

  uint32(): number {
    const value = this.#generator.int32() >>> 0;
    this.#trace.draw(this.#label, value);
    return value;
  }

  float(): number {
    return this.uint32() / TWO_32;
  }

  integer(low: number, high: number): number {
    if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || low > high) {
      throw new RangeError(`random integer: expected safe integers low <= high, got ${low}..${high}`);
    }
    const span = high - low + 1;
    // 53 bits where 32 are too few; the bias of the multiplication is below 2^-21 then and below 2^-32 * span else.
    if (span <= TWO_32) return low + Math.floor(this.float() * span);
    const wide = (this.uint32() >>> 5) * 67_108_864 + (this.uint32() >>> 6);
    return low + Math.min(Math.floor((wide / 9_007_199_254_740_992) * span), high - low);
  }

  chance(probability: number): boolean {
    if (!(probability > 0)) return false;
    if (probability >= 1) return true;
    return this.float() < probability;
  }

  bytes(count: number): Uint8Array {
    const out = new Uint8Array(count);
    for (let at = 0; at < count; at += 4) {
      const word = this.uint32();
      for (let byte = 0; byte < 4 && at + byte < count; byte++) out[at + byte] = word >>> (8 * byte);
    }
    return out;
  }

  pick<T>(values: readonly T[]): T {
    if (values.length === 0) throw new RangeError('random pick: expected at least one value, got an empty list');
    // The index is within the list, so the value is a T even where T includes undefined.
    return values[this.integer(0, values.length - 1)] as T;
  }

  shuffle<T>(values: readonly T[]): T[] {
    const out = [...values];
    for (let last = out.length - 1; last > 0; last--) {
      const other = this.integer(0, last);
      // Both indexes are within the list.
      [out[last], out[other]] = [out[other] as T, out[last] as T];
    }
    return out;
  }
}

/** Randomness of a world: independent streams by label, each seeded from the root seed and its own label alone. */
export class SimRandom implements Random {
  readonly #seed: number;
  readonly #trace: Trace;
  readonly #streams = new Map<string, RandomStream>();

  constructor(seed: number, trace: Trace) {
    this.#seed = seed;
    this.#trace = trace;
  }

  stream(label: string): RandomStream {
    let stream = this.#streams.get(label);
    if (stream === undefined) {
      stream = new SimRandomStream(label, deriveSeed(this.#seed, label), this.#trace);
      this.#streams.set(label, stream);
    }
    return stream;
  }

  /** The same streams under a prefix: what one process draws moves no draw of another. */
  scoped(prefix: string): Random {
    return { stream: (label) => this.stream(`${prefix}/${label}`) };
  }
}
