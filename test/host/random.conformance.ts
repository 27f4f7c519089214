import { expect, test } from 'vitest';
import type { Random } from '../../src/host/random.ts';

/** What every source of randomness must do. */
export function randomConformance(create: () => Random): void {
  test('a label gives the same stream at every call, another label another one', () => {
    const random = create();
    expect(random.stream('a')).toBe(random.stream('a'));
    expect(random.stream('a')).not.toBe(random.stream('b'));
    const words = ['a', 'b'].map((label) => Array.from({ length: 4 }, () => random.stream(label).uint32()));
    expect(words[0]).not.toEqual(words[1]);
  });

  test('floats are in [0, 1) and fill it evenly', () => {
    const stream = create().stream('floats');
    const buckets = new Array<number>(10).fill(0);
    for (let draw = 0; draw < 20_000; draw++) {
      const value = stream.float();
      expect(value >= 0 && value < 1).toBe(true);
      const bucket = Math.floor(value * 10);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    for (const count of buckets) expect(Math.abs(count - 2000)).toBeLessThan(250);
  });

  test('integers are within their bounds, both included, wide spans too', () => {
    const stream = create().stream('integers');
    const seen = new Set(Array.from({ length: 500 }, () => stream.integer(-2, 2)));
    expect([...seen].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2]);
    expect(stream.integer(5, 5)).toBe(5);
    const wide = Array.from({ length: 2000 }, () => stream.integer(0, Number.MAX_SAFE_INTEGER));
    expect(wide.every((value) => Number.isSafeInteger(value) && value >= 0)).toBe(true);
    expect(wide.filter((value) => value > 2 ** 52).length).toBeGreaterThan(850);
    expect(new Set(wide.map((value) => value % 1024)).size).toBeGreaterThan(700);
    expect(() => stream.integer(2, 1)).toThrow('low <= high');
    expect(() => stream.integer(0, 0.5)).toThrow(RangeError);
  });

  test('chance holds about as often as asked; 0 and 1 are certain', () => {
    const stream = create().stream('chance');
    const held = Array.from({ length: 10_000 }, () => stream.chance(0.3)).filter(Boolean).length;
    expect(Math.abs(held - 3000)).toBeLessThan(300);
    expect([stream.chance(0), stream.chance(-1), stream.chance(Number.NaN)]).toEqual([false, false, false]);
    expect([stream.chance(1), stream.chance(2)]).toEqual([true, true]);
  });

  test('bytes are as many as asked, of every value', () => {
    const stream = create().stream('bytes');
    for (const count of [0, 1, 3, 4, 5]) expect(stream.bytes(count)).toHaveLength(count);
    expect(new Set(stream.bytes(10_000)).size).toBe(256);
  });

  test('pick gives one of the values, shuffle each of them once in some order', () => {
    const stream = create().stream('lists');
    const values = [1, 2, 3, 4];
    expect(new Set(Array.from({ length: 200 }, () => stream.pick(values)))).toEqual(new Set(values));
    expect(() => stream.pick([])).toThrow('at least one value');
    const orders = new Set(Array.from({ length: 1000 }, () => stream.shuffle(values).join('')));
    expect(orders.size).toBe(24);
    expect(values).toEqual([1, 2, 3, 4]);
  });
}
