import { expect, it } from 'vitest';
import { readVocabulary } from '../../../../src/cli/vocabulary.ts';
import { loadScenario } from '../../../../src/scenario/load.ts';
import { runScenario } from '../../../../src/scenario/runner.ts';

/** Participants that use what the bus has for them, each in its own way; half of the time they begin with a bus that they close at once. */
const scenario = `title: T
engine: indexbus
seed: 2
duration: 6s
cluster:
  config:
    subscriptions: [{ name: fan, topics: [t] }, { name: seen, topics: [t], access: view, capacity: 16 }]
load:
  producers:
    p1: { publish: bytes, checked: true, hasty: 50 }
    p2: { publish: in place, checked: true, hasty: 50 }
    p3: { hasty: 50 }
  consumers:
    c1: { subscription: fan, checked: true, acks: true, hasty: 50 }
    c2: { subscription: seen, acks: true, hasty: 50 }
  rate: 100/s
  bytes: 13
timeline: []
expect: { checks: all }
finally: { within: 60s }
`;

it('should judge payloads of any length, slots that are reserved for a while, acknowledgements and joins given up', async () => {
  const { violations, expectations } = await runScenario(loadScenario(scenario, readVocabulary()));
  expect(violations).toEqual([]);
  const detailOf = (name: string) => expectations.find(({ text }) => text === name)?.detail ?? '';
  // Three producers for five seconds.
  expect(Number(/^(\d+) payloads/.exec(detailOf('O3'))?.[1])).toBeGreaterThan(1_400);
  // Five participants, and those that had a seat by the time they closed their bus.
  expect(Number(/^(\d+) seats/.exec(detailOf('F1'))?.[1])).toBeGreaterThan(5);
}, 60_000);
