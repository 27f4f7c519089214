import { describe, expect, it } from 'vitest';
import { loadScenario } from '../../src/scenario/load.ts';
import { runScenario } from '../../src/scenario/runner.ts';
import type { RunOptions } from '../../src/scenario/runOptions.ts';
import type { RunRecord } from '../../src/scenario/runRecord.ts';
import { toyVocabulary } from './toyVocabulary.ts';

function play(text: string, options: RunOptions = {}): Promise<RunRecord> {
  const head = 'title: T\nengine: counter\nseed: 5\n';
  return runScenario(loadScenario(head + text, toyVocabulary, { file: 'toy.yaml' }), options);
}

const quiet = 'duration: 2m\nload: { clients: 2 }\nexpect: { checks: [counted-something] }\n';

function expectation(record: RunRecord, text: string) {
  const found = record.expectations.find((result) => result.text.includes(text));
  if (found === undefined)
    throw new Error(`no expectation ${text} among ${record.expectations.map((each) => each.text)}`);
  return found;
}

describe('runScenario', () => {
  it('should hold when nothing goes wrong, and write down what clients and metrics saw', async () => {
    const record = await play(
      `${quiet}steadyState: { metrics: ['rate(counter_increments_total[1m]) > 5'], within: 1m }\n`,
    );
    expect(record.reasons).toEqual([]);
    expect(record.verdict).toBe('held');
    expect(record.operations.ok).toBeGreaterThan(1000);
    expect(record.operations.total).toBe(record.operations.ok);
    expect(expectation(record, 'steady state before').outcome).toBe('held');
    const metric = record.metrics.find((each) => each.name === 'counter_increments_total');
    expect(metric).toMatchObject({ type: 'counter', help: 'increments' });
    expect(metric?.series.map((series) => series.labels.instance)).toEqual(['counter-1:8080', 'counter-2:8080']);
    expect(metric?.series[0]?.points.length).toBeGreaterThanOrEqual(8);
    expect(record.metrics.find((each) => each.name === 'node_load')?.series[1]?.points[0]?.[1]).toBe(1);
    expect(record.nodes.map((node) => node.name)).toEqual(['counter-1', 'counter-2', 'client-1', 'client-2']);
  });

  it('should give the same fingerprint for the same seed, another for another, and the same record', async () => {
    const text = `${quiet}timeline: [ { at: 30s, fault: process.kill, nodes: one } ]\n`;
    const [first, again, other] = [await play(text), await play(text), await play(text, { seed: 6 })];
    expect(again).toEqual(first);
    expect(other.fingerprint).not.toBe(first.fingerprint);
  });

  it('should fire the alert of a killed node, act on it, and see it resolve', async () => {
    const record = await play(`duration: 4m
load: { clients: 2 }
timeline:
  - { id: crash, at: 60s, fault: process.kill, nodes: counter-1 }
  - { id: repair, when: alert CounterDown fires, within: 2m, operator: systemctl start counter, on: counter-1 }
  - { id: back, when: node counter-1 is up, after: crash, within: 2m, expect: 'up{job="counter"} == 1' }
expect:
  alerts:
    - { name: CounterDown, fires within: 90s of crash, fires after: 30s of crash, resolves within: 60s of repair, times: 1 }
    - { name: CounterLimited, never: true }
  metrics:
    - 'up{job="counter"} == 0 ever from crash to repair'
    - 'count(up{job="counter"} == 1) == 2 at end'
    - 'up{instance="counter-2:8080"} == 1 from crash to end'
  operations: { only errors: [ECONNREFUSED, ECONNRESET], errors: [ECONNREFUSED], ok at least: 1000 }
  checks: [counted-something]
`);
    expect(expectation(record, 'CounterDown fires once').outcome).toBe('held');
    expect(record.reasons).toEqual([]);
    expect(record.verdict).toBe('held');
    expect(record.alerts).toHaveLength(1);
    expect(record.alerts[0]).toMatchObject({ name: 'CounterDown', severity: 'critical', forMs: 30_000 });
    const kinds = record.timeline.map((entry) => entry.kind);
    expect(kinds).toEqual(
      expect.arrayContaining(['fault-start', 'crash', 'alert-firing', 'operator', 'start', 'alert-resolved']),
    );
    expect(record.faults[0]).toMatchObject({ name: 'process.kill', nodes: ['counter-1'], startMs: 60_000 });
  });

  it('should start what is still stopping when all is healed, once it has stopped', async () => {
    const record = await play(`duration: 30s
timeline: [ { at: 29900ms, operator: systemctl stop counter, on: counter-1 } ]
expect: { checks: [] }
finally: { within: 30s }
`);
    const last = record.expectations.filter(({ text }) => text.startsWith('finally'));
    expect(last.map(({ outcome }) => outcome)).toEqual(['held']);
    const ofNode = record.timeline.filter(({ node, kind }) => node === 'counter-1' && /^(start|exit)$/.test(kind));
    expect(ofNode.map(({ kind }) => kind)).toEqual(['start', 'exit', 'start']);
  });

  it('should tell of an alert that stops pending without having fired', async () => {
    const record = await play(`${quiet}timeline:
  - { at: 60s, fault: process.kill, nodes: counter-1 }
  - { at: 85s, operator: systemctl start counter, on: counter-1 }
`);
    const told = record.timeline.filter((entry) => entry.text.includes('CounterDown')).map((entry) => entry.text);
    expect(told).toEqual([
      'CounterDown pending on counter-1:8080',
      'CounterDown no longer pending on counter-1:8080: it did not fire',
    ]);
  });

  it('should be violated by each expectation that did not come true, and say what was seen', async () => {
    const record = await play(`duration: 2m
load: { clients: 1 }
timeline:
  - { id: limit, at: 30s, operator: 'POST counter-1 /limit {"limit": 3}', answer: { contains: 'limit":4' } }
  - { id: late, when: alert CounterDown fires, within: 30s, heal: all }
  - { id: wrong, at: 40s, operator: fail }
  - { id: low, at: 50s, expect: 'counter_limit < 3' }
expect:
  alerts:
    - { name: CounterLimited, never: true }
    - { name: CounterDown, fires within: 30s of limit }
  metrics: ['counter_limit < 3 at end']
  logs: [{ text: limit set, never: true }, { text: nothing such }]
  exits: [{ code: 65 }]
  operations: { only errors: [] }
  checks: [counted-something]
`);
    expect(record.verdict).toBe('violated');
    const violated = record.expectations.filter((result) => result.outcome === 'violated').map((result) => result.text);
    expect(violated).toEqual(
      [
        'limit: POST counter-1 /limit {"limit": 3}',
        'wrong: fail',
        'low: counter_limit < 3',
        'late: alert CounterDown fires within 30 s',
        'CounterLimited never fires',
        'CounterDown fires within 30s of limit',
        'counter_limit < 3 at end',
        'never logged: limit set',
        'logged: nothing such',
        'a node exits with 65',
        'clients see no errors',
      ].sort((a, b) => violated.indexOf(a) - violated.indexOf(b)),
    );
    expect(expectation(record, 'clients see no errors').detail).toContain('LIMITED');
    expect(record.reasons).toHaveLength(11);
  });

  it('should be undecided when a check gives up or the events run out', async () => {
    const check = await play('duration: 10s\nload: {}\nexpect: { checks: [gives-up] }\n');
    expect(check.verdict).toBe('undecided');
    expect(check.reasons).toEqual(['undecided: gives-up (too many states)']);
    const events = await play(quiet, { eventsMax: 1000 });
    expect(events.verdict).toBe('undecided');
  });

  it('should expect an exit, and call any other a violation', async () => {
    const broken = 'duration: 30s\ncluster: { nodes: 1, config: { fail_start: true } }\nfinally: leave\n';
    const expected = await play(
      `${broken}expect: { exits: [{ code: 65, name: BadCounter, contains: damaged }], checks: [] }\n`,
    );
    expect(expected.reasons).toEqual([]);
    const unexpected = await play(`${broken}expect: { checks: [] }\n`);
    expect(unexpected.verdict).toBe('violated');
    expect(unexpected.reasons[0]).toContain('no other process ends by itself');
  });

  it('should heal a pause at its end and what lasts at the end of the run, and start what is down', async () => {
    const record = await play(`duration: 3m
load: { clients: 2 }
timeline:
  - { id: short, at: 30s, fault: process.pause, nodes: counter-1, duration: 20s }
  - { id: after-short, after: end of short, operator: echo healed }
  - { id: lasting, at: 2m, fault: process.pause, nodes: counter-1 }
  - { at: 2m, fault: process.kill, nodes: counter-2 }
expect:
  checks: [counted-something]
  operations: { errors: [CLIENT_TIMEOUT] }
`);
    expect(record.reasons).toEqual([]);
    expect(record.faults.map((fault) => fault.endMs)).toEqual([50_000, 180_000, undefined]);
    const healed = record.timeline.find((entry) => entry.text === 'operator: echo healed');
    expect(healed?.atMs).toBe(50_000);
    expect(record.timeline.filter((entry) => entry.kind === 'start' && entry.node === 'counter-2')).toHaveLength(2);
  });

  it('should stop a unit by a drain, restart it with an edited configuration, and change the load', async () => {
    const record = await play(`duration: 2m
load: { clients: 1, think_ms: 100 }
timeline:
  - { at: 20s, operator: [edit start_at 500, systemctl restart counter, 'GET counter-1 /value'], answer: {} }
  - { at: 30s, operator: 'GET counter-1 /value', answer: { contains: '"value":5' } }
  - { id: faster, at: 60s, load: { think_ms: 10 } }
expect:
  checks: [counted-something]
  metrics: ['rate(counter_increments_total{instance="counter-1:8080"}[30s]) > 50 at 45s after faster']
`);
    expect(record.reasons).toEqual([]);
    expect(record.timeline.map((entry) => entry.text)).toContain('counter-1 stopped');
  });

  it('should report a defect of a handler and an exit that a node chose', async () => {
    const record = await play(`duration: 60s
timeline:
  - { at: 10s, operator: POST counter-1 /broken, answer: { status: 500 } }
  - { at: 20s, operator: POST counter-1 /die }
expect: { checks: [], exits: [{ node: counter-1, code: 74, name: Asked }] }
`);
    expect(record.verdict).toBe('violated');
    expect(record.violations.map((violation) => violation.message)).toEqual([
      'counter-1: POST /broken: Error: this handler is broken',
    ]);
    expect(expectation(record, 'exits with 74').outcome).toBe('held');
  });
});
