import { expect, it } from 'vitest';
import { readVocabulary } from '../../../../src/cli/vocabulary.ts';
import { loadScenario } from '../../../../src/scenario/load.ts';
import { runScenario } from '../../../../src/scenario/runner.ts';

const roll = `fault: operator.request, nodes: indexbus-1, method: POST, path: /v1/segments/bus/roll, body: '{"slots_per_producer":2048}'`;

/** A consumer that was fenced does not know it yet when a roll is through, and dies then: its seat is in a generation that is nobody's. */
const afterIt = `title: T
engine: indexbus
seed: 3
duration: 12s
cluster:
  config:
    liveness_check_ms: 200
    subscriptions: [{ name: fan, topics: [t], lane: blocking, capacity: 8, detach_after_ms: 500 }]
load: { producers: { p1: {} }, consumers: { c1: { subscription: fan }, c2: { subscription: fan } }, rate: 50/s }
timeline:
  - { id: stall, at: 2s, fault: shm.stall-consumer, nodes: c1, duration: 9s }
  - { id: roll, at: 4s, ${roll} }
  - { id: kill, at: 6s, fault: process.kill, nodes: c1, restart: 1s }
expect: { checks: all }
finally: { heal: true, within: 60s }
`;

/** A slow consumer holds a roll up for seconds; meanwhile a producer dies in the next generation. */
const amidIt = `title: T
engine: indexbus
seed: 3
duration: 14s
cluster:
  config:
    liveness_check_ms: 200
    subscriptions:
      - { name: slow, topics: [t], lane: blocking, capacity: 64, detach_after_ms: none }
      - { name: fan, topics: [t] }
load:
  producers: { p1: {}, p2: {} }
  consumers: { c1: { subscription: slow, batch: 1, service: 200ms }, c2: { subscription: fan } }
  rate: 5/s
timeline:
  - { id: roll, at: 4s, ${roll} }
  - { id: kill, at: 5s, fault: process.kill, nodes: p2, restart: 20s }
expect: { checks: all }
finally: { heal: true, within: 60s }
`;

it.each([
  ['after a roll was through, in the former generation, holds nobody up', afterIt, /^0 waits.*; 0 waits/],
  ['while a roll lasts, in the next generation, is seen in time', amidIt, /^0 waits.*; 1 waits/],
])(
  'should find that a death %s',
  async (_, scenario, measured) => {
    const { violations, expectations } = await runScenario(loadScenario(scenario, readVocabulary()));
    expect(violations).toEqual([]);
    expect(expectations.filter(({ outcome }) => outcome !== 'held')).toEqual([]);
    // What was measured in either generation.
    expect(expectations.find(({ text }) => text === 'L2')?.detail).toMatch(measured);
  },
  60_000,
);
