import type { ScenarioDocument } from '../definition.ts';
import { shrinkDemands } from './passDemands.ts';
import { shrinkLoad } from './passLoad.ts';
import { shrinkNodes } from './passNodes.ts';
import { shrinkParameters } from './passParameters.ts';
import { shrinkWithOtherSeeds } from './passSeeds.ts';
import { shrinkBuggify, shrinkSettings } from './passSettings.ts';
import { counterfactuals, isNecessary, type StepLeft, shrinkSteps } from './passSteps.ts';
import { shrinkTimes } from './passTimes.ts';
import { createSearch, type RunSize, type Search, type SearchOptions } from './search.ts';

/** What shrinking came to, and why the rest is needed. */
export interface ShrinkExplanation {
  readonly before: RunSize;
  readonly after: RunSize;
  /** Runs that it took. */
  readonly runs: number;
  /** The steps that are left, each with what became of the run without it. */
  readonly steps: readonly StepLeft[];
  /** No single step can be left out. False: not shown of all, by want of runs or because a run without one cannot be judged. */
  readonly oneMinimal: boolean;
  /** `minimal`: nothing more could be made smaller; `runs`: the budget was used up; `stopped`: told to end. */
  readonly endedBy: 'minimal' | 'runs' | 'stopped';
}

/** A failing run, made smaller. */
export interface Shrunk {
  readonly document: ScenarioDocument;
  readonly checks: readonly string[];
  readonly reasons: readonly string[];
  readonly explanation: ShrinkExplanation;
}

interface Pass {
  readonly name: string;
  readonly run: (search: Search) => Promise<void>;
}

/** Passes from the one that takes the most away to those that polish. */
const passes: readonly Pass[] = [
  { name: 'nodes', run: shrinkNodes },
  { name: 'faults', run: shrinkSteps },
  { name: 'demands', run: shrinkDemands },
  { name: 'rare paths', run: shrinkBuggify },
  { name: 'load', run: shrinkLoad },
  { name: 'times', run: shrinkTimes },
  { name: 'parameters', run: shrinkParameters },
];

/** What only the seed held in place goes too, and with it perhaps more. */
const seeds: Pass = { name: 'seeds', run: shrinkWithOtherSeeds };

/** Last, on a run that is small by then: with default sizes of logs and disks a run may take much longer to play. */
const settings: Pass = { name: 'settings', run: shrinkSettings };

/** Makes a failing document smaller, pass by pass, until no pass finds anything or the budget is used up. */
export async function shrink(options: SearchOptions): Promise<Shrunk> {
  const search = createSearch(options);
  await toFixpoint(search, passes);
  await toFixpoint(search, [seeds, ...passes]);
  await toFixpoint(search, [settings]);
  const ended = search.ended;
  const steps = await counterfactuals(search);
  return {
    document: search.document,
    checks: search.trial.checks,
    reasons: search.trial.reasons,
    explanation: {
      before: options.trial.size,
      after: search.trial.size,
      runs: search.runs,
      steps,
      oneMinimal: steps.every(isNecessary),
      endedBy: ended ?? search.ended ?? 'minimal',
    },
  };
}

async function toFixpoint(search: Search, list: readonly Pass[]): Promise<void> {
  for (let before: ScenarioDocument | undefined; before !== search.document && search.ended === undefined; ) {
    before = search.document;
    for (const pass of list) {
      search.begin(pass.name);
      await pass.run(search);
    }
  }
}
