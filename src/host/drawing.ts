import type { RandomStream } from './random.ts';

const TWO_32 = 0x1_0000_0000;

/**
 * A stream of every kind of draw over a source of uniform 32-bit numbers: the same arithmetic for the kernel's
 * randomness and the simulator's.
 *
 * @param next a uniform whole number in [0, 2^32)
 */
export function createDrawing(next: () => number): RandomStream {
  const float = (): number => next() / TWO_32;

  const integer = (low: number, high: number): number => {
    if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || low > high) {
      throw new RangeError(`random integer: expected safe integers low <= high, got ${low}..${high}`);
    }
    const span = high - low + 1;
    if (span <= TWO_32) return low + Math.floor(float() * span);
    // 53 bits where 32 are too few.
    const wide = (next() >>> 5) * 67_108_864 + (next() >>> 6);
    return low + Math.min(Math.floor((wide / 9_007_199_254_740_992) * span), high - low);
  };

  return {
    uint32: next,
    float,
    integer,
    chance(probability) {
      if (!(probability > 0)) return false;
      if (probability >= 1) return true;
      return float() < probability;
    },
    bytes(count) {
      const out = new Uint8Array(count);
      for (let at = 0; at < count; at += 4) {
        const word = next();
        for (let byte = 0; byte < 4 && at + byte < count; byte++) out[at + byte] = word >>> (8 * byte);
      }
      return out;
    },
    pick<T>(values: readonly T[]): T {
      if (values.length === 0) throw new RangeError('random pick: expected at least one value, got an empty list');
      // The index is within the list, so the value is a T even where T includes undefined.
      return values[integer(0, values.length - 1)] as T;
    },
    shuffle<T>(values: readonly T[]): T[] {
      const out = [...values];
      for (let last = out.length - 1; last > 0; last--) {
        const other = integer(0, last);
        // Both indexes are within the list.
        [out[last], out[other]] = [out[other] as T, out[last] as T];
      }
      return out;
    },
  };
}
