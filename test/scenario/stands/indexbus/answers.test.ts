import { expect, it } from 'vitest';
import { readVocabulary } from '../../../../src/cli/vocabulary.ts';
import { loadScenario } from '../../../../src/scenario/load.ts';
import { runScenario } from '../../../../src/scenario/runner.ts';

/**
 * Producers that flush a while after they have published: one leaves and comes back, all move in a roll. A consumer whose lane is full is killed, and
 * what it had not read goes to another of its group. A producer is fenced that has not flushed all.
 */
const scenario = loadScenario(
  `title: T
engine: indexbus
seed: 4
duration: 6s
cluster:
  config:
    subscriptions: [{ name: work, topics: [t], mode: workqueue, lane: blocking, capacity: 64 }]
load:
  producers: { p1: { flush after: 50ms }, p2: { publish: bytes, flush after: 50ms } }
  consumers: { c1: { subscription: work }, c2: { subscription: work } }
  rate: 100/s
  service: 2ms
timeline:
  - { at: 2s, operator: systemctl restart p1 }
  - { at: 3s, fault: shm.stall-consumer, nodes: c1, duration: 1s }
  - { at: 3500ms, fault: process.kill, nodes: c1, with: { restart: 100 } }
  - { at: 4200ms, fault: operator.request, nodes: primary, with: { method: POST, path: /v1/segments/bus/producers/p2/fence } }
  - { at: 4500ms, fault: operator.request, nodes: primary, with: { method: POST, path: /v1/segments/bus/roll, body: '{}' } }
expect: { checks: all }
finally: { within: 60s }
`,
  readVocabulary(),
);

/** A consumer that reads in place is killed while it works on what it has open: a mate has that, and the next holder of the last seat. */
const deaths = loadScenario(
  `title: T
engine: indexbus
seed: 4
duration: 6s
cluster:
  config:
    subscriptions: [{ name: work, topics: [t], mode: workqueue, lane: blocking, capacity: 64, access: view, view_max: 16, delivery: at_least_once }]
load:
  producers: { p1: {} }
  consumers: { c1: { subscription: work, batch: 16 }, c2: { subscription: work, batch: 16 } }
  rate: 100/s
  service: 15ms
timeline:
  - { at: 2s, fault: process.kill, nodes: c1, with: { restart: 100 } }
  - { at: 3s, fault: process.kill, nodes: c2, with: { restart: 2000 } }
  - { at: 3500ms, fault: process.kill, nodes: c1, with: { restart: 2000 } }
expect: { checks: all }
finally: { within: 60s }
`,
  readVocabulary(),
);

it('should hold where what consumers died with comes again', async () => {
  const { verdict, reasons } = await runScenario(deaths);
  expect({ verdict, reasons }).toEqual({ verdict: 'held', reasons: [] });
}, 60_000);

it('should see redelivery-skipped by O6', async () => {
  const { violations } = await runScenario(deaths, { mutants: ['redelivery-skipped'] });
  expect(violations.map((it) => it.check)).toContain('O6');
}, 60_000);

it('should hold where producers that leave, are fenced, or move amid a roll, have not flushed all that they were told is accepted', async () => {
  const { verdict, reasons, violations, expectations, operations } = await runScenario(scenario);
  expect({ verdict, reasons, violations }).toEqual({ verdict: 'held', reasons: [], violations: [] });
  // In both generations, and one producer was told of its fence.
  const [taken] = expectations.filter(({ text }) => text === 'A1').map(({ detail }) => detail);
  expect(taken).toMatch(/^[1-9]\d* messages taken of \d+ published; [1-9]\d* messages taken of \d+ published$/);
  expect(operations.errors).toEqual({ IB_FENCED: 1 });
}, 60_000);

/** Producers lose their seats in the middle of what they publish in each way, with much that is not flushed. */
const fences = loadScenario(
  `title: T
engine: indexbus
seed: 4
duration: 6s
cluster:
  config:
    subscriptions: [{ name: work, topics: [t], mode: workqueue, lane: blocking, capacity: 64 }]
load:
  producers: { p1: { flush after: 50ms }, p2: { publish: bytes, flush after: 500ms }, p3: { publish: in place, flush after: 500ms } }
  consumers: { c1: { subscription: work }, c2: { subscription: work } }
  rate: 1000/s
timeline:
  - { at: 2s, fault: operator.request, nodes: primary, with: { method: POST, path: /v1/segments/bus/producers/0/fence, body: '{}' } }
  - { at: 2500ms, fault: operator.request, nodes: primary, with: { method: POST, path: /v1/segments/bus/producers/1/fence, body: '{}' } }
  - { at: 3s, fault: operator.request, nodes: primary, with: { method: POST, path: /v1/segments/bus/producers/2/fence, body: '{}' } }
  - { at: 4s, fault: operator.request, nodes: primary, with: { method: POST, path: /v1/segments/bus/producers/1/fence, body: '{}' } }
expect: { checks: all }
finally: { within: 60s }
`,
  readVocabulary(),
);

it('should hold where fences meet producers that have not flushed all that they were told is accepted', async () => {
  const { verdict, reasons } = await runScenario(fences);
  expect({ verdict, reasons }).toEqual({ verdict: 'held', reasons: [] });
}, 60_000);

/** All is quiet long before they flush. */
const lateFlush = loadScenario(
  `title: T
engine: indexbus
seed: 4
duration: 3s
cluster:
  config:
    subscriptions: [{ name: work, topics: [t], mode: workqueue, lane: blocking, capacity: 64 }]
load:
  producers: { p1: { flush after: 10s } }
  consumers: { c1: { subscription: work } }
  rate: 20/s
expect: { checks: all }
finally: { within: 60s }
`,
  readVocabulary(),
);

it('should wait at the end for what producers flush long after all else is quiet', async () => {
  const { verdict, reasons } = await runScenario(lateFlush);
  expect({ verdict, reasons }).toEqual({ verdict: 'held', reasons: [] });
}, 60_000);

it.each([
  ['accept-unwritten', 'A1'],
  ['refuse-written', 'A1'],
  ['close-unflushed', 'A1'],
  ['move-unflushed', 'A1'],
  ['claim-not-handed', 'O5'],
])(
  'should see %s by %s',
  async (mutant, check) => {
    const { violations } = await runScenario(scenario, { mutants: [mutant] });
    expect(violations.map((it) => it.check)).toContain(check);
  },
  60_000,
);
