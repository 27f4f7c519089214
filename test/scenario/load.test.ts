import { describe, expect, it } from 'vitest';
import { parseOverride } from '../../src/scenario/document.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { ScenarioError } from '../../src/scenario/mistakes.ts';
import { toyStand } from './toyEngine.ts';
import { toyVocabulary } from './toyVocabulary.ts';

const head = 'title: T\nengine: counter\nduration: 5m\n';

function load(text: string, sets: string[] = []) {
  const overrides = sets.map((set) => {
    const override = parseOverride(set);
    if (override === undefined) throw new Error(`${set} is no override`);
    return override;
  });
  return loadScenario(text, toyVocabulary, { file: 'x.yaml', overrides });
}

function mistakesOf(text: string, sets: string[] = []): string[] {
  try {
    load(text, sets);
  } catch (error) {
    if (error instanceof ScenarioError) return error.message.split('\n');
    throw error;
  }
  return [];
}

describe('loadScenario', () => {
  it.each([
    ['', 'an empty file'],
    ['# to be written\n', 'nothing but comments'],
    ['- a\n- b\n', 'a list of 2'],
    ['hello', 'the text "hello"'],
  ])('should say of %j what came in place of a scenario', (text, came) => {
    expect(mistakesOf(text)).toEqual([
      `x.yaml:1:1: expected a map with the keys of a scenario (title, engine, seed, …), got ${came}`,
    ]);
  });

  it('should say of bytes that they are no text', () => {
    const bytes = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0x02, 0x01, 0x00, 0xff, 0x5b, 0x7b, 0x0a, 0x7d, 0x3a]).toString(
      'utf8',
    );
    expect(mistakesOf(bytes)).toEqual([expect.stringContaining('got bytes that are no text')]);
  });

  it('should complain once of one bracket that is not closed', () => {
    const mistakes = mistakesOf(`${head}timeline: [{ at: 1s, fault: process.kill\nexpect: {}\n`);
    expect(mistakes).toEqual([
      expect.stringMatching(/^x\.yaml:\d+:\d+: not YAML: .*; what comes after it has not been read$/),
    ]);
  });

  it('should read a whole scenario', () => {
    const scenario = load(`${head}seed: 9
cluster: { nodes: 3, config: { start_at: 2 } }
load: { clients: 2 }
timeline:
  - id: stall
    at: 30s
    fault: process.pause
    nodes: [counter-1]
    duration: 20s
    grace: 5ms
    with: { at: sync }
  - when: alert CounterDown fires
    after: stall
    within: 90s
    operator: [ 'POST counter-2 /limit {"limit": 5}', "echo 'a b' c" ]
    answer: { contains: a }
  - after: end of stall
    load: { think_ms: 50 }
expect:
  alerts: [ { name: CounterDown, fires within: 90s of stall, resolves within: 1m of stall } ]
  metrics: [ 'up == 1 at end', 'rate(counter_increments_total[1m]) > 0 ever during stall', 'up from 1m to 2m after stall' ]
finally: { within: 1m }
`);
    expect(scenario.seed).toBe(9);
    expect(scenario.durationMs).toBe(300_000);
    expect(scenario.nodes).toEqual(['counter-1', 'counter-2', 'counter-3']);
    expect(scenario.healWithinMs).toBe(60_000);
    const [fault, operator, change] = scenario.timeline;
    expect(fault).toMatchObject({
      kind: 'fault',
      id: 'stall',
      atMs: 30_000,
      durationMs: 20_000,
      parameters: { grace: 5, at: 'sync' },
    });
    expect(operator).toMatchObject({
      id: 'step-2',
      when: { kind: 'alert', name: 'CounterDown', change: 'fires' },
      commands: [
        { kind: 'http', method: 'POST', node: 'counter-2', path: '/limit', body: '{"limit": 5}' },
        { kind: 'shell', verb: 'echo', args: ['a b', 'c'] },
      ],
    });
    expect(change).toMatchObject({ kind: 'load', load: { clients: 2, think_ms: 50, timeout_ms: 2000 } });
    expect(scenario.expect.alerts[0]?.['fires within']).toEqual({ ms: 90_000, step: 'stall' });
    expect(scenario.expect.metrics[1]).toMatchObject({
      quantifier: 'ever',
      from: { edge: 'start' },
      to: { edge: 'end' },
    });
    expect(scenario.expect.metrics[2]).toMatchObject({ from: { ms: 60_000 }, to: { kind: 'step', ms: 120_000 } });
  });

  it('should name file, line and the nearest key for an unknown key', () => {
    expect(mistakesOf(`${head}sed: 3\n`)).toEqual(['x.yaml:4:1: sed: unknown key sed; did you mean seed?']);
    expect(mistakesOf(`${head}cluster: { config: { start_att: 3 } }\n`)).toEqual([
      'x.yaml:4:22: cluster.config.start_att: unknown key start_att; did you mean start_at?',
    ]);
    expect(mistakesOf(`${head}load:\n  clientz: 3\n`)).toEqual([
      'x.yaml:5:3: load.clientz: unknown key clientz; did you mean clients?',
    ]);
  });

  it('should name the nearest fault, parameter, alert, step, node, verb and check', () => {
    const step = (yaml: string) =>
      mistakesOf(`${head}timeline:\n  - { id: one, at: 1s, fault: process.kill }\n  - ${yaml}\n`);
    expect(step('{ at: 1s, fault: process.kil }')).toEqual([
      'x.yaml:6:22: timeline.1.fault: expected a fault, got process.kil; did you mean process.kill?',
    ]);
    expect(step('{ at: 1s, fault: process.pause, grase: 1s }')).toEqual([
      'x.yaml:6:37: timeline.1.grase: unknown key grase; did you mean grace?',
    ]);
    expect(step('{ when: alert CounterDwn fires, heal: all }')[0]).toContain('did you mean CounterDown?');
    expect(step('{ after: onne, heal: all }')[0]).toContain(
      'x.yaml:6:14: timeline.1.after: expected the id of a step, got onne; did you mean one?',
    );
    expect(step('{ at: 1s, fault: process.kill, nodes: counter-7 }')[0]).toContain('expected a node, got counter-7');
    expect(step('{ at: 1s, operator: ecko 1 }')[0]).toContain('did you mean echo?');
    expect(step('{ at: 1s, falt: process.kill }')[0]).toContain('unknown key falt; did you mean fault?');
    expect(mistakesOf(`${head}expect: { checks: [counted-somthing] }\n`)[0]).toContain(
      'did you mean counted-something?',
    );
  });

  it('should say what was expected of a value', () => {
    expect(mistakesOf('title: T\nengine: counter\nduration: 5 minutes\n')[0]).toContain(
      'x.yaml:3:11: duration: expected milliseconds or a duration',
    );
    expect(mistakesOf(`${head}timeline:\n  - { when: alarm X fires, heal: all }\n`)[0]).toContain(
      "expected 'alert NAME fires'",
    );
    expect(mistakesOf(`${head}timeline:\n  - { heal: all }\n`)[0]).toContain('expected at, when or after');
    expect(mistakesOf(`${head}timeline:\n  - { at: 1s, heal: all, load: {} }\n`)[0]).toContain('got load and heal');
    expect(mistakesOf(`${head}timeline:\n  - { at: 1s, delay: 2s, heal: all }\n`)[0]).toContain('goes under with');
    expect(mistakesOf(`${head}expect: { metrics: ['up'] }\n`)[0]).toContain("expected 'EXPR at end'");
    expect(mistakesOf(`${head}expect: { metrics: ['up == at end'] }\n`)).toHaveLength(1);
    expect(mistakesOf(`${head}timeline:\n  - { at: 1s, operator: POST counter-1 }\n`)[0]).toContain(
      "expected 'METHOD NODE /path [BODY]'",
    );
    expect(mistakesOf('title: T\nengine: cuonter\nduration: 1m\n')[0]).toContain('did you mean counter?');
    expect(mistakesOf(`${head}seed: [\n`)[0]).toContain('not YAML');
    expect(mistakesOf('- 1\n')[0]).toContain('expected a map');
  });

  it('should name every mistake, not only the first', () => {
    expect(
      mistakesOf(`${head}timeline:\n  - { at: 1s, fault: nope.nope }\n  - { at: 1s, heal: all, wihin: 3s }\n`),
    ).toHaveLength(2);
  });

  it('should override by path, by step id, and refuse an override that is no scenario', () => {
    const text = `${head}timeline:\n  - { id: stall, at: 1s, fault: process.pause, duration: 9s }\n`;
    const scenario = load(text, ['timeline.stall.duration=3s', 'cluster.config.start_at=4', 'seed=77']);
    expect(scenario.timeline[0]).toMatchObject({ durationMs: 3000 });
    expect(scenario.config).toEqual({ start_at: 4 });
    expect(scenario.seed).toBe(77);
    expect(scenario.yaml).toContain('duration: 3s');
    expect(mistakesOf(text, ['sed=1'])[0]).toContain('did you mean seed?');
    expect(parseOverride('seed')).toBeUndefined();
  });

  it('should name the nearest step for an override of one that is not there, in one line', () => {
    const text = `${head}load: { clients: 2 }\ntimeline:\n  - { id: stall, at: 1s, fault: process.pause }\n  - { at: 2s, load: { clients: 3 } }\n`;
    expect(mistakesOf(text, ['timeline.stal.duration=3s'])).toEqual([
      'x.yaml: timeline.stal.duration: --set timeline.stal.duration=3s: expected the id of a step or its number, got stal; did you mean stall?',
    ]);
    expect(mistakesOf(text, ['timeline.99.duration=3s'])).toEqual([
      'x.yaml: timeline.99.duration: --set timeline.99.duration=3s: expected a step from 0 to 1, got 99',
    ]);
    expect(load(text, ['timeline.0.duration=3s']).timeline[0]).toMatchObject({ durationMs: 3000 });
    expect(mistakesOf(text, ['load.clientz=3'])).toHaveLength(1);
  });

  it('should say what is missing, once', () => {
    expect(mistakesOf('title: T\nengine: counter\n')).toEqual([
      'x.yaml:1:1: duration: expected a number or a string, but it is not there',
    ]);
  });

  it('should find before the run what only it could find: units, a steady state that comes too late, mistyped codes', () => {
    const vocabulary = {
      ...toyVocabulary,
      stands: new Map([['counter', { ...toyStand, units: ['backup.service'], errorCodes: ['WRITE_TIMEOUT'] }]]),
    };
    const mistakes = (more: string) => {
      try {
        loadScenario(`${head}${more}\n`, vocabulary, { file: 'x.yaml' });
      } catch (error) {
        if (error instanceof ScenarioError) return error.message.split('\n');
        throw error;
      }
      return [];
    };
    expect(mistakes('timeline: [{ at: 1s, operator: systemctl restart nginx }]')).toEqual([
      'x.yaml:4:32: timeline.0.operator: expected a unit, got nginx; known: counter, backup.service',
    ]);
    expect(
      mistakes('timeline: [{ at: 1s, operator: [systemctl stop backup.service, systemctl start counter.service] }]'),
    ).toEqual([]);
    expect(mistakes('timeline: [{ at: 1s, operator: systemctl restart nginx, answer: { fails: true } }]')).toEqual([]);
    expect(mistakes("steadyState: { metrics: ['up'], within: 10m }")).toEqual([
      'x.yaml:4:41: steadyState.within: expected less than the duration, 300 s, got 600 s',
    ]);
    expect(mistakes('expect: { operations: { only errors: [WRITE_TIMEOT, HTTP_502] } }')).toEqual([
      'x.yaml:4:39: expect.operations.only errors.0: expected an error code, got WRITE_TIMEOT; did you mean WRITE_TIMEOUT?',
    ]);
  });
});
