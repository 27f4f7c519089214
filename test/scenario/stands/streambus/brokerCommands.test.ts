import { expect, it } from 'vitest';
import { readVocabulary } from '../../../../src/cli/vocabulary.ts';
import { loadScenario } from '../../../../src/scenario/load.ts';
import { runScenario } from '../../../../src/scenario/runner.ts';

it('should run the real commands against the brokers, and judge their exit codes and words', {
  timeout: 60_000,
}, async () => {
  const scenario = loadScenario(
    `title: T
engine: streambus
seed: 3
duration: 60s
cluster: { config: { shards: { groups: 1, transactions: 1 } } }
timeline:
  - { id: good, at: 10s, operator: sb check-quorum, answer: { exit: 0, contains: '✓ metadata: 3/3 voters reachable' } }
  - { id: made, at: 12s, operator: sb topics create orders --partitions 2 --replication 3, answer: { contains: orders } }
  - { id: same, after: made, delay: 2s, operator: sb topics create orders, answer: { exit: 1, contains: TOPIC } }
  - { id: usage, at: 15s, operator: sb topics --partitoins 2, answer: { exit: 64, contains: partitoins } }
  - { id: restart, at: 16s, operator: sb rolling-restart --broker 2, answer: { contains: 'broker-2: restarted and in sync' } }
  - { id: down, after: restart, fault: process.kill, nodes: all, restart: never }
  - { id: gone, after: down, operator: sb cluster-health-check, on: streambus-2, answer: { exit: 1, contains: 'no broker answered (streambus-2:8080: ECONNREFUSED' } }
  - { id: wrong, after: gone, operator: sb cluster-health-check }
  - { id: other, after: wrong, operator: sb cluster-health-check, answer: { exit: 2 } }
finally: leave
expect: { checks: [] }
`,
    readVocabulary(),
  );
  const record = await runScenario(scenario);
  const outcomes = record.expectations.map(({ text, outcome, detail }) => [text, outcome, detail]);
  expect(outcomes.filter(([text, outcome]) => outcome !== 'held' && !/^(wrong|other)/.test(String(text)))).toEqual([]);
  expect(outcomes.filter(([text]) => /^(good|made|same|usage|restart|gone):/.test(String(text)))).toHaveLength(6);
  expect(outcomes.find(([text]) => String(text).startsWith('wrong:'))).toEqual([
    'wrong: sb cluster-health-check',
    'violated',
    expect.stringContaining('no broker answered'),
  ]);
  expect(outcomes.find(([text]) => String(text).startsWith('other:'))?.[2]).toContain('expected exit code 2, got 1');
});
