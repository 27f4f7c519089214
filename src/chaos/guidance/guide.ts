import seedrandom from 'seedrandom';
import { createDrawing } from '../../host/drawing.ts';
import type { RandomStream } from '../../host/random.ts';
import { deriveSeed } from '../../sim/hash.ts';
import type { CampaignPlan, PlayedRun, RunNumbers } from '../campaign.ts';
import { nearRunId } from '../runId.ts';
import { type CoverageItem, createCoverageMap } from './coverageMap.ts';

/** Runs whose results are merged before the next ones are chosen. */
export const generationRuns = 50;

/** Every so-many-th run of a generation after the first is drawn near an earlier one; the others stay blind. */
const nearEvery = 2;

/** Items that are as rare as this, and the rarest ones in any case, are worth more runs near them. */
const rareShare = 0.1;
const rareMin = 10;

/**
 * Coverage that guides. The first generation is blind: run `n` is the plain draw of seed `n`. In each later one every second run
 * is drawn near a run that reached what few runs reached: an item is picked with a weight that falls with how often it was
 * reached and with how often it was picked before, then one of the runs that reached it (as AFLFast spends its energy on rare
 * paths: Böhme et al., CCS 2016). A pick counts as much as a run that reached it, so what no run near it reaches again does not
 * keep the greatest weight for ever. What is
 * picked depends on the numbers of the runs and on the results before, and on nothing else.
 *
 * @param numbers the runs' own numbers, in order
 * @param size runs of a generation: part of what the campaign is, so it never follows the number of workers
 */
export function guidedPlan(numbers: RunNumbers, size: number = generationRuns): CampaignPlan {
  const map = createCoverageMap();
  /** How often each item was picked, in the generations that the map has. */
  const picked = new Map<string, number>();

  /** The runs of the generation that comes after what the map has, and the items that they go for. */
  function choose(): readonly Choice[] {
    const generation = numbers.slice(map.runs, map.runs + size);
    if (map.runs === 0) return generation.map((number) => ({ run: String(number) }));
    const rare = rareItems(map.rarest(), map.runs);
    return generation.map((number, at) =>
      at % nearEvery === 1 ? nearRare(number, rare, picked) : { run: String(number) },
    );
  }

  return {
    length: numbers.length,
    next(results) {
      // Generation by generation, as they were chosen: so a plan that is asked anew, with all results at once, answers alike.
      while (map.runs < results.length) {
        for (const { item } of choose()) if (item !== undefined) picked.set(item, (picked.get(item) ?? 0) + 1);
        for (const { run, coverage } of results.slice(map.runs, map.runs + size)) map.add(run, coverage);
      }
      return choose().map(({ run }) => run);
    },
  };
}

interface Choice {
  readonly run: string;
  /** What it hopes to reach again; undefined: it is blind. */
  readonly item?: string;
}

/** What is worth more runs, in an order that does not depend on when it was found. */
function rareItems(rarest: readonly CoverageItem[], runs: number): readonly CoverageItem[] {
  return rarest.filter((item, at) => at < rareMin || item.runs <= runs * rareShare);
}

function nearRare(number: number, rare: readonly CoverageItem[], picked: ReadonlyMap<string, number>): Choice {
  // Runs that reached nothing at all: there is nothing to be near to.
  if (rare.length === 0) return { run: String(number) };
  const random = streamOf(number);
  const weightOf = ({ item, runs }: CoverageItem) => 1 / (runs + (picked.get(item) ?? 0));
  const chosen = pickByWeight(rare, weightOf, random);
  if (chosen === undefined) throw new Error('unreachable: the list is not empty');
  return { run: nearRunId(random.pick(chosen.examples), number), item: chosen.item };
}

function pickByWeight<T>(values: readonly T[], weightOf: (value: T) => number, random: RandomStream): T | undefined {
  let left = random.float() * values.reduce((sum, value) => sum + weightOf(value), 0);
  for (const value of values) {
    left -= weightOf(value);
    if (left < 0) return value;
  }
  // Rounding alone leaves anything.
  return values.at(-1);
}

/** The draws of one run's choice of a parent. */
function streamOf(number: number): RandomStream {
  const generator = seedrandom.alea(deriveSeed(number, 'chaos/parent'));
  return createDrawing(() => generator.int32() >>> 0);
}

/** A plan that ends with the generation after which every probe that the engine declares has fired. */
export function untilProbes(plan: CampaignPlan, probes: readonly string[]): CampaignPlan {
  return {
    length: plan.length,
    next: (results) => (isAllReached(results, probes) ? [] : plan.next(results)),
  };
}

/** Whether each of the probes fired in some run. Of none nothing can be said, so that is false too. */
export function isAllReached(results: readonly PlayedRun[], probes: readonly string[]): boolean {
  const reached = new Set(
    results.flatMap((result) => result.probes.flatMap((probe) => (probe.reached ? probe.name : []))),
  );
  return probes.length > 0 && probes.every((name) => reached.has(name));
}
