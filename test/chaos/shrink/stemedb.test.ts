import { expect, test } from 'vitest';
import { textOf } from '../../../src/chaos/shrink/search.ts';
import { shrink } from '../../../src/chaos/shrink/shrink.ts';
import { stepsOf } from '../../../src/chaos/shrink/timeline.ts';
import { playDocument, playersOf, trialOf } from '../../../src/chaos/shrink/trial.ts';
import { stemedbChaos } from '../../../src/chaos/stemedb/chaos.ts';
import type { StemeDraw } from '../../../src/chaos/stemedb/draw.ts';
import { faults } from '../../../src/faults/registry.ts';
import { stands } from '../../../src/scenario/stands/registry.ts';

const vocabulary = { stands, faults, rules: () => 'groups: []' };

/** Ten faults on two nodes, of which the wanted one is in the middle. */
function draw(entry: string): StemeDraw {
  const noise = ['kill', 'latency', 'stall', 'clock jump', 'partition', 'short io', 'reset', 'slow sync', 'idle'];
  const names = [...noise.slice(0, 5), entry, ...noise.slice(5)];
  return {
    seed: 11,
    kind: 'faulty',
    nodes: 2,
    buggify: true,
    faults: names.map((name, index) => ({
      entry: name,
      at: (index * 271) % 1_000,
      length: name === entry ? 600 : (index * 419) % 1_000,
      a: name === entry ? 0 : (index * 607) % 1_000,
      b: 0,
      where: name === entry ? 0 : index * 10 + 1,
    })),
    config: {
      segmentKib: 256,
      maxWaitMs: 10,
      maxBatchKib: 64,
      strictTail: false,
      exitOnFailure: false,
      snapshotKib: 64,
      cacheKib: 16,
      requestTimeoutMs: 500,
    },
    devices: { walMib: 128, flushTenths: 5, shared: false },
    load: {
      writers: 2,
      thinkMs: 150,
      batch: 4,
      batches: 15,
      votes: 10,
      repeats: 2,
      subjects: 10,
      textBytes: 200,
      resend: true,
    },
  };
}

test.each([
  ['read-only-forever', 'full', ['disk.full']],
  ['retry-sync', 'sync error', ['disk.sync-error']],
])(
  'should bring a run with the planted bug %s down to its one fault on one node',
  async (mutant, entry, left) => {
    const document = stemedbChaos.scenarioOf(draw(entry));
    const record = await playDocument(document, vocabulary, [mutant]);
    expect(record.verdict).toBe('violated');
    const trial = trialOf(document, record);
    const { document: smallest, explanation } = await shrink({
      document,
      trial,
      complete: stemedbChaos.complete,
      runsMax: 30,
      ...playersOf('stemedb', vocabulary, [mutant]),
    });
    const own = stepsOf(smallest).filter((step) => step.id !== 'put-right');
    expect(own.map((step) => step.fault)).toEqual(left);
    expect(explanation.after.nodes).toBe(1);
    expect(explanation.after.operations).toBeLessThan(explanation.before.operations);
    expect((await playDocument(smallest, vocabulary, [])).verdict, textOf(smallest)).toBe('held');
    const again = await playDocument(smallest, vocabulary, [mutant]);
    expect(again.violations.map(({ check }) => check).some((check) => trial.checks.includes(check))).toBe(true);
  },
  240_000,
);
