import { expect, test } from 'vitest';
import { readVocabulary } from '../../../../src/cli/vocabulary.ts';
import { loadScenario } from '../../../../src/scenario/load.ts';
import { runScenario } from '../../../../src/scenario/runner.ts';

test('a cluster whose load ended before its topics were made should be found well', { timeout: 60_000 }, async () => {
  const scenario = loadScenario(
    `title: T
engine: streambus
seed: 5
duration: 0ms
cluster: { nodes: 1 }
timeline: []
load: { topics: 1, partitions: 1, 'short-lived': 10s }
finally: { within: 60s }
expect: { checks: [liveness, lost-write] }
`,
    readVocabulary(),
  );
  const record = await runScenario(scenario, { observe: true });
  expect(record.expectations.filter(({ outcome }) => outcome !== 'held')).toEqual([]);
  // They were made after the load: the write that shows that the partition takes one has come to its log.
  expect(record.history?.filter(({ f, outcome }) => f === 'send' && outcome === 'ok')).toHaveLength(1);
});

test('a run that a check cut short should not be said to have come back', { timeout: 120_000 }, async () => {
  const scenario = loadScenario(
    `title: T
engine: streambus
seed: 5
duration: 2s
cluster: { nodes: 3 }
timeline:
  # Whoever leads on one of these two is answered by the third before its own disk, or the other's, has what it sent.
  - { at: 500ms, fault: disk.slow-sync, nodes: [streambus-1, streambus-2], duration: 1500ms, with: { device: sdb, p50: 40, p99: 80 } }
load: { topics: 1, partitions: 1 }
finally: { within: 60s }
expect: { checks: [ack-after-sync, committed-is-durable, liveness] }
`,
    readVocabulary(),
  );
  const record = await runScenario(scenario, { mutants: ['self-ack-early'] });
  expect(record.verdict).toBe('violated');
  expect(record.violations.map(({ check }) => check)).toContain('committed-is-durable');
  const outcomes = new Map(record.expectations.map(({ text, outcome, detail }) => [text, { outcome, detail }]));
  expect(outcomes.get('finally: converges within 60 s')).toMatchObject({
    outcome: 'undecided',
    detail: expect.stringContaining('not decided: a check has found something before'),
  });
  expect(outcomes.get('liveness')).toMatchObject({ outcome: 'undecided' });
});
