/**
 * What guidance is worth: coverage that campaigns reach, guided and blind, from several first seeds. A run that both kinds
 * play is played once: a run is the same whoever plays it.
 *
 *   npm run bench -- guidance [--seed FIRST …] [--seeds N]
 */
import { parseArgs } from 'node:util';
import { type CampaignPlan, type PlayedRun, plainPlan, runCampaign, seedsOf } from '../src/chaos/campaign.ts';
import { createCoverageMap } from '../src/chaos/guidance/coverageMap.ts';
import { generationRuns, guidedPlan } from '../src/chaos/guidance/guide.ts';
import { createTaskPlayer } from '../src/chaos/playTask.ts';
import type { RunResult } from '../src/chaos/runSeed.ts';
import { packageRoot } from '../src/cli/vocabulary.ts';
import { median } from './measure.ts';

/** An item that so many runs reached can be counted on. */
const oftenRuns = 4;

const { values: flags } = parseArgs({
  options: {
    seed: { type: 'string', multiple: true, default: ['1', '1001', '2001'] },
    seeds: { type: 'string', default: '200' },
  },
});
const play = createTaskPlayer(packageRoot.href);
const measures = ['items reached', `in ${oftenRuns} runs or more`, 'in one run only'] as const;
const totals = { blind: [] as number[][], guided: [] as number[][] };

for (const first of flags.seed.map(Number)) {
  const numbers = seedsOf(first, Number(flags.seeds), { index: 1, of: 1 });
  const known = new Map<string, RunResult>();
  for (const [kind, plan] of [
    ['blind', plainPlan(numbers, generationRuns)],
    ['guided', guidedPlan(numbers)],
  ] as const) {
    const results = await campaign(plan, known);
    const counts = countsOf(results);
    totals[kind].push(counts);
    const failed = results.filter(({ verdict }) => verdict !== 'held').map(({ run, verdict }) => `${run} ${verdict}`);
    const text = measures.map((measure, index) => `${counts[index]} ${measure}`).join(', ');
    console.log(
      `from ${first}, ${results.length} runs ${kind}: ${text}${failed.length === 0 ? '' : `; ${failed.join(', ')}`}`,
    );
  }
}

console.log('\nmedians                blind  guided');
for (const [index, measure] of measures.entries()) {
  const [blind, guided] = [totals.blind, totals.guided].map((all) => median(all.map((counts) => counts[index] ?? 0)));
  console.log(`${measure.padEnd(20)}  ${String(blind).padStart(6)}  ${String(guided).padStart(6)}`);
}

async function campaign(plan: CampaignPlan, known: Map<string, RunResult>): Promise<readonly PlayedRun[]> {
  const executor = {
    width: 1,
    async run(task: Parameters<typeof play>[0]) {
      const result = known.get(task.run) ?? (await play(task));
      known.set(task.run, result);
      return result;
    },
    close: async () => {},
  };
  return (await runCampaign({ engine: 'stemedb', mutants: [], shrinkRunsMax: 0, executor, plan })).results;
}

function countsOf(results: readonly PlayedRun[]): number[] {
  const map = createCoverageMap();
  for (const { run, coverage } of results) map.add(run, coverage);
  const items = map.rarest();
  return [
    items.length,
    items.filter(({ runs }) => runs >= oftenRuns).length,
    items.filter(({ runs }) => runs === 1).length,
  ];
}
