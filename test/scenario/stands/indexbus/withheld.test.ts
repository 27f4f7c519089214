import { expect, it } from 'vitest';
import { readVocabulary } from '../../../../src/cli/vocabulary.ts';
import { layoutOf } from '../../../../src/engines/indexbus/layout.ts';
import { loadScenario } from '../../../../src/scenario/load.ts';
import { runScenario } from '../../../../src/scenario/runner.ts';

const { laneRings } = layoutOf({ producers: 4, lanes: 4, slots: 1024, laneRing: 1024, slotBytes: 64, topics: 64 });
/** Unread while the consumer takes no messages, and claimed with others. */
const damaged = 170;

/** A view is claimed before it is opened: where one of its entries is damaged the application has none of them. */
const scenario = loadScenario(
  `title: T
engine: indexbus
seed: 4
duration: 6s
cluster:
  config:
    lane_ring: 1024
    producers_max: 4
    lanes_max: 4
    slots_per_producer: 1024
    slot_bytes: 64
    topics_max: 64
    subscriptions:
      - { name: work, topics: [t], capacity: 256, access: view, view_max: 32 }
      - { name: other, topics: [t], capacity: 256 }
load:
  producers: { p1: {} }
  consumers: { c1: { subscription: work, batch: 64 }, c2: { subscription: other } }
  rate: 100/s
  service: 1ms
timeline:
  - { at: 1500ms, fault: shm.stall-consumer, nodes: c1, duration: 1s }
  - { at: 2s, fault: shm.corrupt-word, nodes: indexbus-1, with: { region: bus, word: ${laneRings + damaged * 4}, bit: 30 } }
expect: { checks: all }
finally: { within: 60s }
`,
  readVocabulary(),
);

it('should not miss what a consumer was told is damaged', async () => {
  const { timeline, violations } = await runScenario(scenario);
  expect(timeline.some((entry) => JSON.stringify(entry).includes('IB_CORRUPT'))).toBe(true);
  expect(violations.map(({ check }) => check)).not.toContain('O5');
}, 60_000);
