import { expect, test } from 'vitest';
import { chaosDefinitions } from '../../../src/chaos/registry.ts';
import { plainDraw } from '../../../src/chaos/runId.ts';

interface Drawn {
  readonly load: { readonly producers: Readonly<Record<string, { readonly 'flush after'?: number }>> };
  readonly timeline: readonly { readonly operator?: string; readonly with?: { readonly path?: string } }[];
}

const indexbus = chaosDefinitions.get('indexbus');
if (indexbus === undefined) throw new Error('chaos knows indexbus');

test('should have producers that flush late leave, and move in a roll, in some runs, and leave nobody in others', () => {
  const runs = Array.from(
    { length: 100 },
    (_, index) => indexbus.scenarioOf(plainDraw(indexbus, index + 1)) as unknown as Drawn, // as scenarioOf makes it
  );
  const isLate = ({ load }: Drawn) => Object.values(load.producers).some((it) => it['flush after'] !== undefined);
  const leaves = ({ timeline }: Drawn) => timeline.some(({ operator }) => operator?.startsWith('kubectl delete pod p'));
  const late = runs.filter(isLate);
  expect(late.length).toBeGreaterThan(9);
  expect(late.length).toBeLessThan(50);
  expect(late.every(leaves)).toBe(true);
  expect(late.every(({ timeline }) => timeline.some((it) => it.with?.path?.endsWith('/roll') === true))).toBe(true);
  expect(runs.filter((run) => !isLate(run)).some(leaves)).toBe(false);
});
