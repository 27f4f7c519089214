import { expect, it } from 'vitest';
import { readVocabulary } from '../../../../src/cli/vocabulary.ts';
import { loadScenario } from '../../../../src/scenario/load.ts';
import { runScenario } from '../../../../src/scenario/runner.ts';

/** A lane that blocks, of a consumer that takes nothing for ten seconds. */
function scenario(detachAfterMs: number, more = '') {
  return loadScenario(
    `title: T
engine: indexbus
seed: 3
duration: 20s
cluster:
  config:
    subscriptions: [{ name: fan, topics: [t], lane: blocking, capacity: 16, detach_after_ms: ${detachAfterMs} }]
load: { producers: { p1: {} }, consumers: { c1: { subscription: fan }, c2: { subscription: fan } }, rate: 50/s }
timeline:
  - { id: hang, at: 3s, fault: shm.stall-consumer, nodes: c1, duration: 10s }
${more}`,
    readVocabulary(),
  );
}

async function sourcesHeld(detachAfterMs: number, more = ''): Promise<string | undefined> {
  const { expectations } = await runScenario(scenario(detachAfterMs, more));
  const check = expectations.find(({ text }) => text === 'L3');
  return `${check?.outcome}: ${check?.detail}`;
}

it('L3: should measure how long a stalled lane holds a source until it is fenced, and nothing where it goes on by itself', {
  timeout: 60_000,
}, async () => {
  expect(await sourcesHeld(3_000)).toMatch(/^held: 1 waits, the longest (2\d\d\d|30\d\d)/);
  expect(await sourcesHeld(30_000)).toMatch(/^held: 0 waits/);
});

/** A router that stands still again and again. */
const jitter = (length: string, every: string) =>
  `  - { at: 2s, fault: shm.router-jitter, nodes: primary, duration: 17s, with: { length: ${length}, every: ${every} } }\n`;

it.each([
  ['1ms', '300ms'],
  ['1ms', '1s'],
  ['1ms', '1300ms'],
  ['200ms', '1s'],
])(
  'L3: should measure on where the router stands still for %s about every %s, and excuse as much as that',
  {
    timeout: 60_000,
  },
  async (length, every) => {
    expect(await sourcesHeld(3_000, jitter(length, every))).toMatch(/^held: 1 waits, the longest (2[2-9]\d\d|3\d\d\d)/);
  },
);
