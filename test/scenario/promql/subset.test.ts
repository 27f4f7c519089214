import { describe, expect, it } from 'vitest';
import { PromqlError, type PromqlErrorCode } from '../../../src/scenario/promql/error.ts';
import { evaluateVector } from '../../../src/scenario/promql/evaluate.ts';
import { parsePromql } from '../../../src/scenario/promql/parse.ts';
import { createScrapeTarget } from '../../../src/scenario/promql/scrape.ts';
import { SeriesStore } from '../../../src/scenario/promql/seriesStore.ts';

function errorOf(expression: string): PromqlError {
  try {
    parsePromql(expression);
  } catch (error) {
    if (error instanceof PromqlError) return error;
    throw error;
  }
  throw new Error(`${expression} was accepted`);
}

describe('the subset of PromQL', () => {
  it.each<[string, PromqlErrorCode, number, string]>([
    ['sum(', 'PROMQL_SYNTAX', 5, 'the end'],
    ['a +\n  b c', 'PROMQL_SYNTAX', 5, '`c`'],
    ['x{y=~"("}', 'PROMQL_SYNTAX', 6, 'regular expression'],
    ['x{y=~"(?=a)"}', 'PROMQL_SYNTAX', 6, 'RE2'],
    ['max_over_time(a[5m:1m])', 'PROMQL_UNSUPPORTED', 15, 'subquery'],
    ['1 + a @ 5', 'PROMQL_UNSUPPORTED', 1, '`@`'],
    ['a ^ 2', 'PROMQL_UNSUPPORTED', 3, '`^`'],
    ['stddev(a)', 'PROMQL_UNSUPPORTED', 1, '`stddev`'],
    ['1 + predict_linear(a[5m], 60)', 'PROMQL_UNSUPPORTED', 5, '`predict_linear`'],
    ['rate(a)', 'PROMQL_TYPE', 6, 'a range vector'],
    ['a and 1', 'PROMQL_TYPE', 7, 'an instant vector'],
    ['1 > 2', 'PROMQL_TYPE', 3, 'bool'],
    ['a + bool b', 'PROMQL_TYPE', 3, 'bool'],
    ['sum(a, b)', 'PROMQL_TYPE', 1, '1 argument'],
    ['clamp(a, 1)', 'PROMQL_TYPE', 1, '3 arguments'],
    ['sum(a) offset 5m', 'PROMQL_TYPE', 1, 'offset'],
    ['{a=~".*"}', 'PROMQL_TYPE', 1, 'empty string'],
  ])('should refuse %s with %s at column %d, naming %s', (expression, code, column, words) => {
    const error = errorOf(expression);
    expect({ code: error.code, column: error.column }).toEqual({ code, column });
    expect(error.message).toContain(words);
  });

  it('should count lines of an expression that has several', () => {
    expect(errorOf('a +\n  b c')).toMatchObject({ line: 2, column: 5 });
  });

  it.each([
    ['a + b offset 5m * c', 'a + (b offset 5m * c)'],
    ['a * b offset 5m + c', '(a * (b offset 5m)) + c'],
    ['a or b and c == d + e * f', 'a or (b and (c == (d + (e * f))))'],
    ['a - b - c', '(a - b) - c'],
    ['-a offset 5m', '-(a offset 5m)'],
    ['a unless b[5m] offset 1m', 'a unless (b[5m] offset 1m)'],
  ])('should read %s as %s', (bare, explicit) => {
    const shape = (expression: string) => {
      try {
        return JSON.stringify(parsePromql(expression).root, (key, value) => (key === 'offset' ? undefined : value));
      } catch (error) {
        return error instanceof PromqlError ? error.code : error;
      }
    };
    expect(shape(bare)).toBe(shape(explicit));
  });
});

describe('the ends of a range', () => {
  const store = new SeriesStore();
  for (let second = 0; second <= 300; second += 60) store.append('x', {}, second * 1_000, second);

  it('should leave the left end out as Prometheus 3 does, and take it in as Prometheus 2 does', () => {
    const count = (semantics: 'v2' | 'v3') =>
      evaluateVector('count_over_time(x[2m])', store, 300_000, { semantics })[0]?.value;
    expect([count('v3'), count('v2')]).toEqual([2, 3]);
  });

  it('should find a sample less than five minutes old, and at five minutes by Prometheus 2 alone', () => {
    const found = (tMs: number, semantics: 'v2' | 'v3') => evaluateVector('x', store, tMs, { semantics }).length;
    expect(found(599_999, 'v3')).toBe(1);
    expect([found(600_000, 'v3'), found(600_000, 'v2'), found(600_001, 'v2')]).toEqual([0, 1, 0]);
  });
});

describe('the extrapolation of a counter towards zero', () => {
  it('should ask for the zero before the sample interval by Prometheus 2, after it by Prometheus 3', () => {
    // From 50 s to 100 s by 1 a second, so zero is 8 s before the first sample, and half a sample interval is 5 s.
    const store = new SeriesStore();
    for (let step = 0; step <= 5; step += 1) store.append('c', {}, 50_000 + step * 10_000, 8 + step * 10);
    const grown = (semantics: 'v2' | 'v3') =>
      evaluateVector('increase(c[100s])', store, 100_000, { semantics })[0]?.value;
    expect(grown('v2')).toBeCloseTo(58, 9);
    expect(grown('v3')).toBeCloseTo(55, 9);
  });
});

describe('a scraped target', () => {
  const labels = { job: 'stemedb', instance: 'node-1' };

  it('should end the series that vanish from its page, and all of them when it is down', () => {
    const store = new SeriesStore();
    const target = createScrapeTarget(store, labels);
    const present = (tMs: number) => evaluateVector('{__name__=~"a|b"}', store, tMs).length;
    const page = (...names: string[]) => names.map((name) => ({ name, labels: {}, value: 1 }));

    target.succeeded(0, page('a', 'b'));
    target.succeeded(15_000, page('a'));
    target.failed(30_000);

    expect([present(0), present(15_000), present(30_000)]).toEqual([2, 1, 0]);
    expect(evaluateVector('up', store, 30_000)).toEqual([{ labels: { __name__: 'up', ...labels }, value: 0 }]);
  });

  it('should keep a label of the page that the target has too under another name', () => {
    const store = new SeriesStore();
    createScrapeTarget(store, labels).succeeded(0, [{ name: 'a', labels: { job: 'own' }, value: 1 }]);
    expect(evaluateVector('a', store, 0)[0]?.labels).toEqual({ __name__: 'a', exported_job: 'own', ...labels });
  });

  it('should refuse a sample that is not newer than the last', () => {
    const store = new SeriesStore();
    store.append('a', {}, 5, 1);
    expect(() => store.append('a', {}, 5, 2)).toThrow(/ascend/);
  });
});
