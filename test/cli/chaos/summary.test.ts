import { expect, it } from 'vitest';
import type { PlayedRun } from '../../../src/chaos/campaign.ts';
import { unjudged } from '../../../src/chaos/runSeed.ts';
import { summarizeCampaign, summaryText } from '../../../src/cli/chaos/summary.ts';

const flags = {
  seeds: 3,
  seed: 7,
  shard: { index: 1, of: 1 },
  out: 'reports/chaos',
  shrink: 0,
};

const played = (run: string, verdict: PlayedRun['verdict']): PlayedRun => ({
  ...unjudged('skipped', 'expected a node that runs, got n1, which is down'),
  run,
  verdict,
});

it('should name the runs of which it is not decided whether they hold, as one plays them again', () => {
  const results = [played('7', 'held'), played('7.60', 'undecided'), played('8', 'undecided')];
  const summary = summarizeCampaign('streambus', flags, { results, left: 0 }, 1_000, { probes: [], faultPoints: [] });
  expect(summary).toMatchObject({ undecided: 2, undecidedRuns: ['7.60', '8'] });
  expect(summaryText(summary).split('\n').slice(1, 3)).toEqual([
    'undecided: npx hotfire chaos streambus --run 7.60',
    'undecided: npx hotfire chaos streambus --run 8',
  ]);
});

it('should name none where every run was decided', () => {
  const summary = summarizeCampaign('streambus', flags, { results: [played('7', 'held')], left: 0 }, 1_000, {
    probes: [],
    faultPoints: [],
  });
  expect(summary.undecidedRuns).toEqual([]);
  expect(summaryText(summary)).not.toContain('undecided:');
});

it('should name the runs that were skipped, the first ones of many, and what could not be applied', () => {
  const results = Array.from({ length: 7 }, (_, at) => played(String(at), at === 1 ? 'held' : 'skipped'));
  const summary = summarizeCampaign('stemedb', flags, { results, left: 0 }, 1_000, { probes: [], faultPoints: [] });
  const reason = 'expected a node that runs, got n1, which is down';
  expect(summary.skippedRuns).toEqual(['0', '2', '3', '4', '5', '6'].map((run) => ({ run, reason })));
  const told = summaryText(summary)
    .split('\n')
    .filter((line) => line.startsWith('skipped:'));
  expect(told).toEqual([
    ...['0', '2', '3', '4', '5'].map((run) => `skipped: npx hotfire chaos stemedb --run ${run}: ${reason}`),
    'skipped: 1 more',
  ]);
});
