import { expect, it } from 'vitest';
import { readVocabulary } from '../../../../src/cli/vocabulary.ts';
import { loadScenario } from '../../../../src/scenario/load.ts';
import { runScenario } from '../../../../src/scenario/runner.ts';

const vocabulary = readVocabulary();

/** A group of one subscription under load, with what befalls it. @param more keys of the subscription */
function scenario(load: string, timeline: readonly string[], more = '', duration = '6s') {
  return loadScenario(
    `title: T
engine: indexbus
seed: 4
duration: ${duration}
cluster:
  config:
    subscriptions: [{ name: work, topics: [t], mode: workqueue, lane: blocking, capacity: 64${more} }]
load:
${load}
timeline: [${timeline.join(', ')}]
expect: { checks: all }
finally: { within: 60s }
`,
    vocabulary,
  );
}

const post = (at: string, path: string): string =>
  `{ at: ${at}, fault: operator.request, nodes: primary, with: { method: POST, path: /v1/segments/bus/${path}, body: '{}' } }`;
const kill = (at: string, node: string, restart: number): string =>
  `{ at: ${at}, fault: process.kill, nodes: ${node}, with: { restart: ${restart} } }`;

/**
 * Producers that flush a while after they have published: one leaves and comes back, all move in a roll. A consumer whose lane is full is killed, and
 * what it had not read goes to another of its group. A producer is fenced that has not flushed all.
 */
const late = scenario(
  `  producers: { p1: { flush after: 50ms }, p2: { publish: bytes, flush after: 50ms } }
  consumers: { c1: { subscription: work }, c2: { subscription: work } }
  rate: 100/s
  service: 2ms`,
  [
    '{ at: 2s, operator: systemctl restart p1 }',
    '{ at: 3s, fault: shm.stall-consumer, nodes: c1, duration: 1s }',
    kill('3500ms', 'c1', 100),
    post('4200ms', 'producers/p2/fence'),
    post('4500ms', 'roll'),
  ],
);

/** A consumer that reads in place is killed while it works on what it has open: a mate has that, and the next holder of the last seat. */
const deaths = scenario(
  `  producers: { p1: {} }
  consumers: { c1: { subscription: work, batch: 16 }, c2: { subscription: work, batch: 16 } }
  rate: 100/s
  service: 15ms`,
  [kill('2s', 'c1', 100), kill('3s', 'c2', 2_000), kill('3500ms', 'c1', 2_000)],
  ', access: view, view_max: 16, delivery: at_least_once',
);

/** Producers lose their seats in the middle of what they publish in each way, with much that is not flushed. */
const fences = scenario(
  `  producers: { p1: { flush after: 50ms }, p2: { publish: bytes, flush after: 500ms }, p3: { publish: in place, flush after: 500ms } }
  consumers: { c1: { subscription: work }, c2: { subscription: work } }
  rate: 1000/s`,
  [
    post('2s', 'producers/0/fence'),
    post('2500ms', 'producers/1/fence'),
    post('3s', 'producers/2/fence'),
    post('4s', 'producers/1/fence'),
  ],
);

/** All is quiet long before they flush. */
const quietBefore = scenario(
  `  producers: { p1: { flush after: 10s } }
  consumers: { c1: { subscription: work } }
  rate: 20/s`,
  [],
  '',
  '3s',
);

async function held(of: ReturnType<typeof scenario>) {
  const record = await runScenario(of);
  const { verdict, reasons, violations } = record;
  expect({ verdict, reasons, violations }).toEqual({ verdict: 'held', reasons: [], violations: [] });
  return record;
}

it('should hold where producers that leave, are fenced, or move amid a roll, have not flushed all that they were told is accepted', async () => {
  const { expectations, operations } = await held(late);
  // In both generations, and one producer was told of its fence.
  const [taken] = expectations.filter(({ text }) => text === 'A1').map(({ detail }) => detail);
  expect(taken).toMatch(/^[1-9]\d* messages taken of \d+ published; [1-9]\d* messages taken of \d+ published$/);
  expect(operations.errors).toEqual({ IB_FENCED: 1 });
}, 60_000);

it('should hold where what consumers died with comes again', async () => {
  const { expectations } = await held(deaths);
  expect(expectations.find(({ text }) => text === 'O6')?.detail).toMatch(/^[1-9]\d* messages owed by the dead$/);
}, 60_000);

it('should hold where fences meet producers that have not flushed all that they were told is accepted', async () => {
  const { operations } = await held(fences);
  expect(operations.errors.IB_FENCED).toBeGreaterThan(2);
}, 60_000);

it('should wait at the end for what producers flush long after all else is quiet', async () => {
  const { expectations } = await held(quietBefore);
  expect(expectations.find(({ text }) => text === 'A1')?.detail).toMatch(/^[1-9]\d* messages taken/);
}, 60_000);

it.each([
  ['accept-unwritten', 'A1', late],
  ['refuse-written', 'A1', late],
  ['close-unflushed', 'A1', late],
  ['move-unflushed', 'A1', late],
  ['claim-not-handed', 'O5', late],
  ['redelivery-skipped', 'O6', deaths],
] as const)(
  'should see %s by %s',
  async (mutant, check, of) => {
    const { violations } = await runScenario(of, { mutants: [mutant] });
    expect(violations.map((it) => it.check)).toContain(check);
  },
  60_000,
);
