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

it('should hold where producers that leave, are fenced, or move amid a roll, have not flushed all that they were told is accepted', async () => {
  const { verdict, reasons, violations, expectations, operations } = await runScenario(scenario);
  expect({ verdict, reasons, violations }).toEqual({ verdict: 'held', reasons: [], violations: [] });
  // In both generations, and one producer was told of its fence.
  const [taken] = expectations.filter(({ text }) => text === 'A1').map(({ detail }) => detail);
  expect(taken).toMatch(/^[1-9]\d* messages taken of \d+ published; [1-9]\d* messages taken of \d+ published$/);
  expect(operations.errors).toEqual({ IB_FENCED: 1 });
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
