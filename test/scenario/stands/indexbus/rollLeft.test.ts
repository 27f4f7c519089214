import { expect, it } from 'vitest';
import { readVocabulary } from '../../../../src/cli/vocabulary.ts';
import { loadScenario } from '../../../../src/scenario/load.ts';
import { runScenario } from '../../../../src/scenario/runner.ts';

/** A roll meets a producer that is stopped, with more in its source than the slower of two consumers takes before the producer is fenced. */
const scenario = `title: T
engine: indexbus
seed: 3
duration: 20s
cluster:
  config:
    subscriptions:
      - { name: slow, topics: [t], lane: blocking, capacity: 4, detach_after_ms: none }
      - { name: fast, topics: [t], lane: blocking, capacity: 32, detach_after_ms: none }
load:
  producers: { p1: { burst: { every: 3s, messages: 60 }, rate: 1/s } }
  consumers: { c1: { subscription: slow, batch: 1, service: 200ms }, c2: { subscription: fast } }
timeline:
  - { id: stop, at: 3500ms, fault: process.pause, nodes: p1, duration: 12s }
  - { id: roll, at: 3600ms, fault: operator.request, nodes: indexbus-1, method: POST, path: /v1/segments/bus/roll, body: '{"slot_bytes":128}' }
expect: { checks: all }
finally: { heal: true, within: 60s }
`;

it('A1: a roll leaves nothing in the source of a producer that it fences', async () => {
  const { violations, expectations } = await runScenario(loadScenario(scenario, readVocabulary()));
  expect(violations).toEqual([]);
  expect(expectations.filter(({ outcome }) => outcome !== 'held')).toEqual([]);
}, 60_000);
