import { expect, it } from 'vitest';
import { readVocabulary } from '../../../../src/cli/vocabulary.ts';
import { loadScenario } from '../../../../src/scenario/load.ts';
import { runScenario } from '../../../../src/scenario/runner.ts';

/** A consumer that takes nothing is restarted: whether it takes messages then. */
async function takesAgain(cause: string): Promise<boolean> {
  const scenario = loadScenario(
    `title: T
engine: indexbus
seed: 3
duration: 80s
cluster: { config: { subscriptions: [{ name: fan, topics: [t], capacity: 64 }] } }
load: { producers: { p1: {} }, consumers: { c1: { subscription: fan } }, rate: 10/s }
timeline:
  - { id: hang, at: 5s, fault: shm.stall-consumer, nodes: c1, cause: ${cause} }
  - { id: restart, at: 30s, operator: systemctl restart c1 }
expect:
  metrics: ['sum(rate(indexbus_recv_total[30s])) > 9 at end', 'indexbus_lane_depth == 64 at 20s']
finally: leave
`,
    readVocabulary(),
  );
  const { expectations } = await runScenario(scenario);
  const others = expectations.filter(({ text }) => !text.startsWith('sum('));
  expect(others.filter(({ outcome }) => outcome !== 'held')).toEqual([]);
  return expectations.find(({ text }) => text.startsWith('sum('))?.outcome === 'held';
}

it('should take messages again once it is restarted, if it was the process that hung', {
  timeout: 60_000,
}, async () => {
  expect(await takesAgain('process')).toBe(true);
  expect(await takesAgain('dependency')).toBe(false);
});
