import { expect, test } from 'vitest';
import type { PlayedRun } from '../../src/chaos/campaign.ts';
import type { SeedFailure } from '../../src/chaos/runSeed.ts';
import { failuresThatShow } from '../../src/cli/chaos/summary.ts';
import { failedRun } from '../support/failedRun.ts';

function failed(run: string, withoutMutants?: SeedFailure['withoutMutants']): PlayedRun {
  const failure = { checks: ['C'], reasons: [], scenario: '', shrinkRuns: 0 };
  return failedRun(run, { ...failure, ...(withoutMutants === undefined ? {} : { withoutMutants }) });
}

test('should count a bug as caught by a run alone that holds without it', () => {
  const all = [failed('1', 'violated'), failed('2', 'undecided'), failed('3', 'skipped'), failed('4', 'held')];
  expect(failuresThatShow(all).map(({ run }) => run)).toEqual(['4']);
});

test('should count every failure where no bug is planted', () => {
  expect(failuresThatShow([failed('1')])).toHaveLength(1);
});
