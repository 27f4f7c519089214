import { describe, expect, it } from 'vitest';
import { createAlertEvaluator, RuleEvaluationError } from '../../../src/scenario/alerts/alertEvaluator.ts';
import { RuleFileError } from '../../../src/scenario/alerts/ruleFileError.ts';
import { SeriesStore } from '../../../src/scenario/promql/seriesStore.ts';

function rule(body: string, group = ''): string {
  return `groups:\n  - name: g\n${group}    rules:\n      - ${body.replaceAll('\n', '\n        ')}\n`;
}

/** Steps every 15 s over the values of one gauge and lists the transitions. */
function run(text: string, values: readonly number[]): string[] {
  const evaluator = createAlertEvaluator(text);
  const store = new SeriesStore();
  return values.flatMap((value, step) => {
    store.append('x', { i: '1' }, step * 15_000, value);
    return evaluator
      .step(step * 15_000, store)
      .map(
        ({ state, atMs, pendingMs, firingMs }) =>
          `${state}@${atMs / 1_000} p${pendingMs / 1_000} f${(firingMs ?? Number.NaN) / 1_000}`,
      );
  });
}

describe('an alert', () => {
  it('should be pending for its `for`, fire, and be resolved', () => {
    expect(run(rule('alert: A\nexpr: x > 1\nfor: 30s'), [0, 2, 2, 2, 2, 0, 2])).toEqual([
      'pending@15 p15 fNaN',
      'firing@45 p15 f45',
      'resolved@75 p15 f45',
      'pending@90 p90 fNaN',
    ]);
  });

  it('should be resolved without firing when its element goes early', () => {
    expect(run(rule('alert: A\nexpr: x > 1\nfor: 1m'), [2, 2, 0])).toEqual([
      'pending@0 p0 fNaN',
      'resolved@30 p0 fNaN',
    ]);
  });

  it('should fire at once without `for`, in one transition', () => {
    expect(run(rule('alert: A\nexpr: x > 1'), [2, 2, 0])).toEqual(['firing@0 p0 f0', 'resolved@30 p0 f0']);
  });

  it('should go on firing for keep_firing_for, and not be interrupted by an element that comes back', () => {
    expect(run(rule('alert: A\nexpr: x > 1\nkeep_firing_for: 30s'), [2, 0, 2, 0, 0, 0])).toEqual([
      'firing@0 p0 f0',
      'resolved@75 p0 f0',
    ]);
  });

  it('should be evaluated at the interval of its group', () => {
    expect(run(rule('alert: A\nexpr: x > 1', '    interval: 45s\n'), [0, 2, 2, 2, 0, 0, 0])).toEqual([
      'firing@45 p45 f45',
      'resolved@90 p45 f45',
    ]);
  });

  it('should name file, line and rule when the data does not allow its expression', () => {
    const evaluator = createAlertEvaluator(rule('alert: A\nexpr: x + on() x'), { file: 'a.yaml' });
    const store = new SeriesStore();
    for (const i of ['1', '2']) store.append('x', { i }, 0, 1);
    expect(() => evaluator.step(0, store)).toThrow(RuleEvaluationError);
    expect(() => evaluator.step(15_000, store)).toThrow(/^a\.yaml:4: rule `A`: .*several series/);
  });
});

describe('a rule file', () => {
  it.each([
    ['groups: [', 1, 'Flow'],
    ['rules: []', 1, 'unknown key `rules`'],
    [rule('alert: A'), 4, 'needs an `expr`'],
    [rule('alert: A\nexpr: x >'), 5, 'the end'],
    [rule('alert: A\nexpr: x[5m:1m]'), 5, 'subquery'],
    [rule('alert: A\nexpr: x\nfor: soon'), 6, '`soon`'],
    [rule('alert: A\nexpr: x\nsince: 5m'), 6, 'unknown key `since`'],
    [rule('alert: A\nexpr: x\nannotations:\n  summary: "{{ $valu }}"'), 7, '$valu'],
    [rule('record: a-b\nexpr: x'), 4, '`a-b`'],
    [rule('record: a\nexpr: x\nfor: 5m'), 6, 'no `for`'],
    [rule('record: a\nalert: b\nexpr: x'), 4, 'either'],
  ])('should be refused with its line: %j', (text, line, words) => {
    const parse = () => createAlertEvaluator(text, { file: 'alerts.yaml' });
    expect(parse).toThrow(RuleFileError);
    expect(parse).toThrow(`alerts.yaml:${line}:`);
    expect(parse).toThrow(words);
  });
});
