import { expect, it } from 'vitest';
import { readVocabulary } from '../../../../src/cli/vocabulary.ts';
import { loadScenario } from '../../../../src/scenario/load.ts';
import { runScenario } from '../../../../src/scenario/runner.ts';

/** The producer sends while the router has lost its core, and dies of the flush at the end of the turn, which is the router's (chaos 1042.1095). */
const scenario = loadScenario(
  `title: T
engine: indexbus
seed: 1340726238
duration: 1.09s
cluster:
  devices: { machines: [[indexbus-1, indexbus-2]] }
  config:
    standby: true
    slots_per_producer: 256
    lane_ring: 8
    router_batch_size: 64
    router_poll_interval_us: 1000
    liveness_check_ms: 200
    producers_max: 8
    subscriptions:
      - { name: s1, topics: [b], mode: workqueue, lane: blocking, capacity: 4, balance: least_depth, detach_after_ms: 300 }
      - { name: s2, topics: [b], mode: keyed, lane: blocking, capacity: 1, credit_limit: 1, detach_after_ms: none }
load:
  producers: { p1: { publish: bytes, checked: true } }
  rate: 1
  every: 0
  keys: 1
  bytes: 8
timeline:
  - { at: 0ms, fault: shm.preempted, nodes: indexbus-1, duration: 1400ms }
  - { at: 90ms, fault: shm.crash-at-step, nodes: p1, with: { point: 4, steps: 2 } }
expect: { checks: all }
finally: { within: 4m }
`,
  readVocabulary(),
);

it("should not end a router with a producer that dies in the router's turn", async () => {
  const { violations } = await runScenario(scenario);
  expect(violations).toEqual([]);
}, 60_000);
