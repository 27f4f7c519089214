import { expect, test } from 'vitest';
import { chaosDefinitions } from '../../src/chaos/registry.ts';
import { drawRun } from '../../src/chaos/runId.ts';
import { World } from '../../src/sim/world.ts';

const stemedb = chaosDefinitions.get('stemedb');
if (stemedb === undefined) throw new Error('chaos knows stemedb');

/** A live fault point fires a quarter of the time: asked so often, one that stays silent is not live. */
const asked = 60;

test.each(['flush-early', 'roll-now', 'tiny-batch', 'short-turns'])(
  'should have the fault point %s live in a quarter of 200 runs',
  (site) => {
    let live = 0;
    for (let run = 1; run <= 200; run++) {
      const { seed, buggify = false } = stemedb.scenarioOf(drawRun(stemedb, String(run))) as {
        seed: number; // as chaos writes every scenario
        buggify?: boolean;
      };
      const { probes } = new World({ seed, buggify });
      const fired = Array.from({ length: asked }, () => probes.buggify(site));
      if (fired.some((now) => now)) live++;
    }
    // 200 × 24/25 (runs for group commit have none) × 1/4 = 48, with a standard deviation of 6.
    expect(live).toBeGreaterThan(28);
    expect(live).toBeLessThan(68);
  },
);
