import { expect, it } from 'vitest';
import { readVocabulary } from '../../../../src/cli/vocabulary.ts';
import { loadScenario } from '../../../../src/scenario/load.ts';
import { runScenario } from '../../../../src/scenario/runner.ts';

/** A consumer comes back while the router stands still, and dies before it goes on: it lets in one that is dead, and sees it afterwards. */
const scenario = `title: T
engine: indexbus
seed: 3
duration: 8s
cluster:
  config:
    subscriptions: [{ name: fan, topics: [t] }]
load: { producers: { p1: {} }, consumers: { c1: { subscription: fan }, c2: { subscription: fan } }, rate: 50/s }
timeline:
  - { id: first, at: 3s, fault: process.kill, nodes: c1, restart: 1s }
  - { id: hold, at: 3900ms, fault: shm.stall-router, nodes: indexbus-1, duration: 600ms }
  - { id: second, at: 4200ms, fault: process.kill, nodes: c1, restart: 1s }
expect: { checks: all }
finally: { heal: true, within: 60s }
`;

it('should know of a consumer that died before the router let it in that it writes no more', async () => {
  const { violations, expectations } = await runScenario(loadScenario(scenario, readVocabulary()));
  expect(violations).toEqual([]);
  // c1 three times, the second time dead; c2; p1, twice as it makes its topic.
  expect(expectations.find(({ text }) => text === 'F1')).toMatchObject({ outcome: 'held', detail: '6 seats taken' });
}, 60_000);
