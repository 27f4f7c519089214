import { expect, test } from 'vitest';
import type { PlayedRun } from '../../../src/chaos/campaign.ts';
import { createCoverageMap } from '../../../src/chaos/guidance/coverageMap.ts';
import { guidedPlan } from '../../../src/chaos/guidance/guide.ts';
import { summarizeCoverage } from '../../../src/chaos/guidance/summary.ts';
import { runNumber } from '../../../src/chaos/runId.ts';

function played(run: string, coverage: readonly string[], probes: PlayedRun['probes'] = []): PlayedRun {
  return { run, verdict: 'held', fingerprint: '', events: 0, virtualMs: 0, probes, coverage, faults: [] };
}

const numbers = Array.from({ length: 100 }, (_, at) => 1 + at);

test('should begin blind, and then draw every second run near an earlier one', () => {
  const plan = guidedPlan(numbers);
  const first = plan.next([]);
  expect(first).toEqual(numbers.slice(0, 50).map(String));
  const second = plan.next(first.map((run) => played(run, ['a'])));
  expect(second).toHaveLength(50);
  expect(second.map(runNumber)).toEqual(numbers.slice(50));
  expect(second.filter((run) => run.includes('.'))).toHaveLength(25);
});

test('should prefer what few runs reached', () => {
  const plan = guidedPlan(numbers);
  const common = Array.from({ length: 20 }, (_, at) => `common ${at}`);
  const results = plan.next([]).map((run) => played(run, run === '13' ? [...common, 'rare'] : common));
  const parents = plan.next(results).flatMap((run) => (run.includes('.') ? [run.split('.')[0]] : []));
  // One of the ten rarest, at fifty times the weight of each other one.
  expect(parents.filter((parent) => parent === '13').length).toBeGreaterThan(parents.length / 2);
  expect(new Set(parents).size).toBeGreaterThan(1);
});

test('should turn from a rare item that no run near it reaches again to the others', () => {
  const many = Array.from({ length: 1_000 }, (_, at) => 1 + at);
  const plan = guidedPlan(many);
  const results: PlayedRun[] = [];
  const sharesOf13: number[] = [];
  for (let runs = plan.next(results); runs.length > 0; runs = plan.next(results)) {
    const parents = runs.filter((run) => run.includes('.')).map((run) => run.split('.')[0]);
    if (parents.length > 0) sharesOf13.push(parents.filter((parent) => parent === '13').length / parents.length);
    results.push(
      ...runs.map((run) => played(run, [`now and then ${runNumber(run) % 10}`, ...(run === '13' ? ['once'] : [])])),
    );
  }
  // Five runs reached each of the others in the first generation, 95 before the last one.
  expect(sharesOf13[0]).toBeGreaterThan(0.2);
  expect(sharesOf13.slice(-5).reduce((sum, share) => sum + share, 0) / 5).toBeLessThan(0.25);
  const late = guidedPlan(many);
  expect(late.next(results.slice(0, 500))).toEqual(results.slice(500, 550).map(({ run }) => run));
});

test('should stay blind as long as nothing was reached', () => {
  const plan = guidedPlan(numbers);
  const results = plan.next([]).map((run) => played(run, []));
  expect(plan.next(results)).toEqual(numbers.slice(50).map(String));
});

test('should choose by the results alone: a plan that is asked anew answers alike', () => {
  const first = guidedPlan(numbers).next([]);
  const results = first.map((run, at) => played(run, [`item ${at % 13}`]));
  const again = guidedPlan(numbers);
  again.next([]);
  expect(guidedPlan(numbers).next(results)).toEqual(again.next(results));
});

test('should count each item once a run, and keep the first runs that reached it', () => {
  const map = createCoverageMap();
  map.add('1', ['a', 'a', 'b']);
  for (let run = 2; run <= 30; run++) map.add(String(run), ['a']);
  expect(map.rarest().map(({ item, runs }) => [item, runs])).toEqual([
    ['b', 1],
    ['a', 30],
  ]);
  expect(map.rarest()[1]?.examples).toEqual(Array.from({ length: 16 }, (_, at) => String(at + 1)));
});

test('should say when each probe first fired, and which never did', () => {
  const probe = (name: string, reached: boolean) => ({ name, reached });
  const { probes, neverReached, neverFired, items, rarest } = summarizeCoverage(
    [
      played('1', ['x', 'buggify: here'], [probe('late', false), probe('never', false)]),
      played('1.2', ['x', 'y'], [probe('late', true), probe('never', false)]),
      played('3', ['x'], [probe('late', true), probe('early', true)]),
    ],
    { probes: ['late', 'on a line that never ran', 'never', 'early'], faultPoints: ['here', 'nowhere'] },
    1,
  );
  expect(probes).toEqual([
    { name: 'late', runs: 2, first: { run: '1.2', after: 2 } },
    { name: 'early', runs: 1, first: { run: '3', after: 3 } },
    { name: 'never', runs: 0 },
    { name: 'on a line that never ran', runs: 0 },
  ]);
  expect(neverReached).toEqual(['never', 'on a line that never ran']);
  expect(neverFired).toEqual(['nowhere']);
  expect(items).toBe(3);
  expect(rarest).toEqual([{ item: 'buggify: here', runs: 1, examples: ['1'] }]);
});
