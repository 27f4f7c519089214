import { expect, it } from 'vitest';
import { readVocabulary } from '../../../../src/cli/vocabulary.ts';
import { Point } from '../../../../src/engines/indexbus/points.ts';
import { loadScenario } from '../../../../src/scenario/load.ts';
import { runScenario } from '../../../../src/scenario/runner.ts';

/** A router dies while it applies a commit; so does the one after it, in its recovery; a third one takes over. */
const scenario = `title: T
engine: indexbus
seed: 5
duration: 6s
cluster:
  nodes: 2
  devices: { machines: [[indexbus-1, indexbus-2]] }
  config:
    standby: true
    subscriptions: [{ name: fan, topics: [t] }]
load: { producers: { p1: {} }, consumers: { c1: { subscription: fan } }, rate: 200/s }
timeline:
  - { at: 2s, fault: shm.crash-at-step, nodes: primary, with: { point: ${Point.apply}, restart: 1s } }
  - { at: 2s, fault: shm.crash-at-step, nodes: [indexbus-1, indexbus-2], with: { point: ${Point.finishRedo}, restart: 500ms } }
expect: { checks: [R1] }
finally: { heal: true, within: 60s }
`;

async function outcomeOf(mutants: readonly string[]) {
  const { expectations } = await runScenario(loadScenario(scenario, readVocabulary()), { mutants });
  return expectations.find(({ text }) => text === 'R1');
}

it('should find that recoveries leave what a router that did not crash would have', async () => {
  expect(await outcomeOf([])).toMatchObject({ outcome: 'held', detail: '2 recoveries' });
}, 60_000);

it('should see a recovery that leaves out the last commit', async () => {
  expect(await outcomeOf(['redo-skipped'])).toMatchObject({ outcome: 'violated' });
}, 60_000);
