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

const played = (run: string, verdict: PlayedRun['verdict']): PlayedRun => ({ ...unjudged('skipped'), run, verdict });

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
