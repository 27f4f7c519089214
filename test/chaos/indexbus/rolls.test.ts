import { expect, test } from 'vitest';
import type { IndexBusDraw } from '../../../src/chaos/indexbus/draw.ts';
import { chaosDefinitions } from '../../../src/chaos/registry.ts';
import { plainDraw } from '../../../src/chaos/runId.ts';

interface Timed {
  readonly timeline: readonly {
    readonly at: string;
    readonly fault: string;
    readonly with?: { readonly path?: string };
  }[];
}

const indexbus = chaosDefinitions.get('indexbus');
if (indexbus === undefined) throw new Error('chaos knows indexbus');

test('should have a producer stopped at the rolls of some runs, and at none of others', () => {
  const rolled = Array.from({ length: 300 }, (_, index) => plainDraw(indexbus, index + 1)).filter(
    (draw) => (draw as unknown as IndexBusDraw).faults.some(({ entry }) => entry === 'roll'), // as its definition draws them
  );
  const stopped = rolled.filter((draw) => {
    const { timeline } = indexbus.scenarioOf(draw) as unknown as Timed; // as scenarioOf makes it
    const rolls = timeline.flatMap((it, index) => (it.with?.path?.endsWith('/roll') === true ? [index] : []));
    return rolls.every((index) => timeline.slice(0, index).some((it) => it.fault === 'process.pause'));
  });
  expect(stopped.length).toBeGreaterThan(4);
  expect(rolled.length - stopped.length).toBeGreaterThan(4);
});
