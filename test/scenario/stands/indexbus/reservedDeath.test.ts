import { expect, it } from 'vitest';
import { readVocabulary } from '../../../../src/cli/vocabulary.ts';
import { loadScenario } from '../../../../src/scenario/load.ts';
import { runScenario } from '../../../../src/scenario/runner.ts';

/** Producers that have a slot reserved much of their time die just before the load ends, and publish nothing when they are back. */
const scenario = `title: T
engine: indexbus
seed: 3
duration: 3s
cluster:
  config:
    subscriptions: [{ name: fan, topics: [t] }]
load:
  producers:
    p1: { publish: in place }
    p2: { publish: in place }
    p3: { publish: in place }
    p4: { publish: in place }
  consumers:
    c1: { subscription: fan }
  rate: 4000/s
  every: 5
timeline:
  - { at: 2990ms, fault: process.kill, nodes: [p1, p2, p3, p4] }
expect: { checks: all }
finally: { within: 60s }
`;

it('should know that what a producer had reserved that was killed is not reserved by the process after it', async () => {
  const { violations, expectations } = await runScenario(loadScenario(scenario, readVocabulary()));
  expect(violations.map(({ message }) => message)).toEqual([]);
  // All four are back. One seat was taken to ask for the topic.
  expect(expectations.find(({ text }) => text === 'F1')?.detail).toMatch(/^10 seats/);
}, 60_000);
