import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ConfigDraw, configs } from '../../../src/chaos/stemedb/config.ts';

const drawn = fc.sample(configs, { numRuns: 2_000, seed: 1 });
const keys = Object.keys(drawn[0] ?? {}) as (keyof ConfigDraw)[]; // of a draw

/** What most runs have that leave a key alone. */
function usualOf(key: keyof ConfigDraw): unknown {
  const counts = new Map<unknown, number>();
  for (const config of drawn) counts.set(config[key], (counts.get(config[key]) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}

const usual = Object.fromEntries(keys.map((key) => [key, usualOf(key)]));
const awayIn = (config: ConfigDraw) => keys.filter((key) => config[key] !== usual[key]);

test('should leave any number of keys at the usual, and each of them in about half of the runs', () => {
  const sizes = new Set(drawn.map((config) => awayIn(config).length));
  expect([...sizes].sort((a, b) => a - b)).toEqual(Array.from({ length: keys.length + 1 }, (_, size) => size));
  for (const key of keys) {
    const share = drawn.filter((config) => config[key] !== usual[key]).length / drawn.length;
    expect(share, key).toBeGreaterThan(0.4);
    expect(share, key).toBeLessThan(0.6);
  }
});

test('should show each key alone away from the usual', () => {
  const alone = new Set(drawn.map(awayIn).flatMap((away) => (away.length === 1 ? away : [])));
  expect([...alone].sort()).toEqual([...keys].sort());
});
