import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PromqlError } from '../../../src/scenario/promql/error.ts';
import { evaluateVector } from '../../../src/scenario/promql/evaluate.ts';
import { labelKey } from '../../../src/scenario/promql/labels.ts';
import { expression, INTERVAL_MS, POINTS, world } from './generators.ts';
import { askPromtool, hasPromtool, type PromtoolSample, promtoolSemantics } from './promtool.ts';
import { storeOf } from './store.ts';

const SEED = 20_261_121;
const WORLDS = 24;
const QUERIES = 60;

describe.skipIf(!hasPromtool)('PromQL against promtool (skipped without promtool)', () => {
  const query = fc.record({ expr: expression, atMs: fc.integer({ min: 0, max: POINTS * 4 }).map((n) => n * 5_000) });
  const cases = fc
    .sample(fc.record({ series: world, queries: fc.array(query, { minLength: QUERIES, maxLength: QUERIES }) }), {
      seed: SEED,
      numRuns: WORLDS,
    })
    .map((generated) => ({ intervalMs: INTERVAL_MS, ...generated }));
  const answers = hasPromtool ? askPromtool(cases) : [];

  it(`should give the same samples for ${WORLDS * QUERIES} generated expressions`, () => {
    const differences: string[] = [];
    let withSamples = 0;
    cases.forEach((testCase, index) => {
      const store = storeOf(testCase.series, INTERVAL_MS);
      testCase.queries.forEach(({ expr, atMs }, position) => {
        const theirs = answers[index]?.queries[position] ?? 'error';
        const ours = evaluateOurs(expr, atMs, store);
        if (theirs !== 'error' && theirs.length > 0) withSamples += 1;
        if (!isSame(ours, theirs)) {
          differences.push(
            `world ${index} at ${atMs} ms: ${expr}\n  promtool: ${show(theirs)}\n  ours:     ${show(ours)}`,
          );
        }
      });
    });
    expect(differences.slice(0, 5).join('\n'), `${differences.length} differ`).toBe('');
    // A comparison of empty results would prove nothing.
    expect(withSamples).toBeGreaterThan((WORLDS * QUERIES) / 3);
  });
});

function evaluateOurs(
  expr: string,
  atMs: number,
  store: ReturnType<typeof storeOf>,
): readonly PromtoolSample[] | 'error' {
  try {
    return evaluateVector(expr, store, atMs, { semantics: promtoolSemantics });
  } catch (error) {
    if (error instanceof PromqlError && error.code === 'PROMQL_EVALUATION') return 'error';
    throw error;
  }
}

function isSame(ours: readonly PromtoolSample[] | 'error', theirs: readonly PromtoolSample[] | 'error'): boolean {
  if (ours === 'error' || theirs === 'error') return ours === theirs;
  if (ours.length !== theirs.length) return false;
  const byKey = new Map(ours.map((sample) => [labelKey(sample.labels), sample.value]));
  return theirs.every((sample) => isClose(byKey.get(labelKey(sample.labels)), sample.value));
}

function isClose(ours: number | undefined, theirs: number): boolean {
  if (ours === undefined) return false;
  if (Object.is(ours, theirs) || ours === theirs) return true;
  return Math.abs(ours - theirs) <= 1e-9 * Math.max(Math.abs(ours), Math.abs(theirs), 1e-3);
}

function show(samples: readonly PromtoolSample[] | 'error'): string {
  return samples === 'error'
    ? 'error'
    : JSON.stringify(samples.map(({ labels, value }) => `${labelKey(labels)} ${value}`));
}
