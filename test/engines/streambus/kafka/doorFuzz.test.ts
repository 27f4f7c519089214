import { expect, test } from 'vitest';
import { withBrokers } from '../support/brokers.ts';
import {
  Draw,
  type FuzzKind,
  fuzzBytes,
  fuzzCases,
  fuzzKinds,
  fuzzSeed,
  growthBytesMax,
  honestRound,
  play,
  usedBytes,
} from './support/doorFuzz.ts';
import { WireClient } from './support/wireClient.ts';

const address = { host: 'b1', port: 9092 };

test(`${fuzzCases} cases of bad input neither end the broker, nor fill its memory, nor touch other connections`, async () => {
  const open: { readonly kind: FuzzKind; readonly number: number }[] = [];
  const answered = new Map<FuzzKind, number>();
  /** What the broker itself calls an error: a handler that threw. */
  const defects = new Set<string>();
  let worstGrowth = 0;
  await withBrokers(
    async ({ world, host, connect }) => {
      await connect().admin.createTopics([{ name: 'honest', partitions: 1 }]);
      const honest = await WireClient.open(host, address);
      const before = usedBytes();
      world.logs.subscribe((line) => {
        if (line.level === 'error') defects.add(JSON.stringify(line));
      });
      for (let number = 0; number < fuzzCases; number++) {
        const draw = new Draw(fuzzSeed * 1_000_003 + number);
        const kind = draw.pick(fuzzKinds);
        const { answeredBytes, isOver } = await play(host, address, kind, fuzzBytes(kind, draw));
        if (!isOver) open.push({ kind, number });
        if (answeredBytes > 0) answered.set(kind, (answered.get(kind) ?? 0) + 1);
        if (number % 10 !== 0) continue;
        await honestRound(honest, number / 10);
        if (number % 250 === 0) worstGrowth = Math.max(worstGrowth, usedBytes() - before);
      }
    },
    { seed: fuzzSeed, toMs: Number.POSITIVE_INFINITY, config: { consumer_groups: { initial_delay: 0 } } },
  );
  expect([...defects].slice(0, 5)).toEqual([]);
  expect(open).toEqual([]);
  expect(worstGrowth).toBeLessThan(growthBytesMax);
  // Both ends of bad input are met: what can be answered is, noise is not.
  for (const kind of ['sound', 'mutated', 'glued', 'drip'] as const) expect(answered.get(kind) ?? 0).toBeGreaterThan(0);
  expect(answered.get('noise') ?? 0).toBe(0);
});
