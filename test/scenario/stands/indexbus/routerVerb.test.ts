import { expect, it } from 'vitest';
import { readVocabulary } from '../../../../src/cli/vocabulary.ts';
import { loadScenario } from '../../../../src/scenario/load.ts';
import { runScenario } from '../../../../src/scenario/runner.ts';

it('should run the real commands against the routers, and judge their exit codes and words', {
  timeout: 60_000,
}, async () => {
  const scenario = loadScenario(
    `title: T
engine: indexbus
seed: 3
duration: 20s
cluster:
  nodes: 2
  devices: { config: { indexbus-2: { region: us, segment: { name: other } } } }
  config: { subscriptions: [{ name: fan, topics: [t], capacity: 64 }] }
load: { producers: { p1: {} }, consumers: { c1: { subscription: fan } } }
timeline:
  - { id: good, at: 5s, operator: hotfire indexbus triage, answer: { exit: 0, contains: '"side": "none"' } }
  - { id: set, after: good, operator: hotfire indexbus lane set c1 capacity=128, answer: { contains: '"capacity": 128' } }
  - { id: limit, after: set, operator: hotfire indexbus producer set p1 rate_limit=7 --segment bus, answer: { contains: '"rate_limit": 7' } }
  - { id: url, after: limit, operator: 'hotfire indexbus ping --region us --url http://indexbus-2:9109 --json', answer: { contains: '"region": "us"' } }
  - { id: none, after: url, operator: hotfire indexbus lanes, on: indexbus-2, answer: { contains: '[]' } }
  - { id: refused, after: none, operator: hotfire indexbus lane set c9 capacity=1, answer: { exit: 1, contains: c9 } }
  - { id: usage, after: refused, operator: hotfire indexbus lane set c1 capacity, answer: { exit: 64, contains: key=value } }
  - { id: option, after: usage, operator: hotfire indexbus lanes --sgement bus, answer: { exit: 64, contains: --sgement } }
  - { id: unknown, after: option, operator: hotfire indexbus lnaes, answer: { exit: 64, contains: lnaes } }
  - { id: away, after: unknown, operator: systemctl stop indexbus-router }
  - { id: gone, after: away, operator: hotfire indexbus lanes, answer: { exit: 2, contains: ECONNREFUSED } }
  - { id: wrong, after: gone, operator: hotfire indexbus lanes }
finally: leave
expect: { checks: [] }
`,
    readVocabulary(),
  );
  const record = await runScenario(scenario);
  const outcomes = record.expectations.map(({ text, outcome, detail }) => [text, outcome, detail]);
  expect(outcomes.filter(([text, outcome]) => outcome !== 'held' && !String(text).startsWith('wrong:'))).toEqual([]);
  expect(outcomes.filter(([text]) => /^[a-z]+: hotfire/.test(String(text)))).toHaveLength(11);
  expect(outcomes.find(([text]) => String(text).startsWith('wrong:'))?.[1]).toBe('violated');
});
