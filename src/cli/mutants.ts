import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import { plainPlan, runCampaign, seedsOf } from '../chaos/campaign.ts';
import type { Mutant } from '../chaos/definition.ts';
import { generationRuns, guidedPlan } from '../chaos/guidance/guide.ts';
import { createThreadExecutor } from '../chaos/threadExecutor.ts';
import { positiveInteger } from './arguments.ts';
import { expectNumbers } from './chaos/options.ts';
import { failuresThatShow } from './chaos/summary.ts';
import { counted } from './format.ts';
import { definitionOf, mutantNamed } from './planted.ts';
import { packageRoot } from './vocabulary.ts';

interface MutantsFlags {
  readonly seeds?: number;
  readonly jobs: number;
  readonly guided?: boolean;
}

/** What became of one planted bug. */
interface Caught {
  readonly mutant: Mutant;
  /** How many seeds it took; undefined: it escaped. */
  readonly seeds: number | undefined;
  readonly checks: readonly string[];
}

/** `hotfire mutants`. */
export function mutantsCommand(): Command {
  return new Command('mutants')
    .summary('plant known bugs and see that the checks catch each')
    .description(
      "Plants each of the engine's known bugs and runs chaos until a check sees it in a run that holds without the bug. Prints how many seeds each took. Exits 0 when all were caught, 1 when one escaped.",
    )
    .argument('<engine>', 'engine')
    .argument('[mutant...]', 'only these')
    .option('--seeds <n>', "seeds within which each must be caught; default: the engine's own number", positiveInteger)
    .option('--guided', 'hunt as chaos does, near what few runs reached, instead of by plain seeds')
    .option('--jobs <n>', 'hunts at a time', positiveInteger, availableParallelism())
    .addHelpText(
      'after',
      '\nExamples:\n  $ hotfire mutants stemedb\n  $ hotfire mutants stemedb retry-sync no-chain --seeds 50\n  $ hotfire mutants stemedb --guided',
    )
    .action(async (engine: string, names: readonly string[], flags: MutantsFlags) => {
      process.exitCode = await mutants(engine, names, flags);
    });
}

async function mutants(engine: string, names: readonly string[], flags: MutantsFlags): Promise<number> {
  const definition = definitionOf(engine);
  const chosen = choose(engine, definition.mutants, names);
  const seedsMax = flags.seeds ?? definition.mutantSeedsMax;
  expectNumbers(1, seedsMax);
  const width = Math.max(...chosen.map((mutant) => mutant.name.length));
  const caught: (Caught | undefined)[] = chosen.map(() => undefined);
  let next = 0;
  let printed = 0;

  /** One hunt after another; what is found is printed in the order of the list. */
  async function work(): Promise<void> {
    for (let at = next++; at < chosen.length; at = next++) {
      const mutant = chosen[at];
      if (mutant === undefined) throw new Error('unreachable: the index is below the length');
      caught[at] = await hunt(engine, mutant, seedsMax, flags.guided === true);
      for (let done = caught[printed]; done !== undefined; done = caught[++printed]) print(done);
    }
  }

  function print({ mutant, seeds, checks }: Caught): void {
    const verdict =
      seeds === undefined
        ? `ESCAPED ${counted(seedsMax, 'seed')}`
        : `${String(seeds).padStart(4)} seeds  ${checks.join(', ')}`;
    process.stdout.write(`${mutant.name.padEnd(width)}  ${verdict}\n`);
  }

  await Promise.all(Array.from({ length: Math.min(flags.jobs, chosen.length) }, work));
  const escaped = caught.filter((each) => each?.seeds === undefined).length;
  process.stdout.write(
    `${chosen.length - escaped} of ${chosen.length} mutants caught within ${counted(seedsMax, 'seed')}\n`,
  );
  return escaped === 0 ? 0 : 1;
}

/** Seed by seed, until a check sees it: so the number of seeds does not depend on how many hunts run beside it. */
async function hunt(engine: string, mutant: Mutant, seedsMax: number, guided: boolean): Promise<Caught> {
  const numbers = seedsOf(1, seedsMax, { index: 1, of: 1 });
  const executor = createThreadExecutor({ jobs: 1, packageRoot: packageRoot.href });
  const campaign = await runCampaign({
    engine,
    mutants: [mutant.name],
    shrinkRunsMax: 0,
    executor,
    plan: guided ? guidedPlan(numbers) : plainPlan(numbers, generationRuns),
    // What fails without the bug too is something else that was caught.
    isEnough: (results) => failuresThatShow(results).length > 0,
  }).finally(() => executor.close());
  const broken = campaign.results.find(({ verdict }) => verdict === 'broken')?.reason;
  if (broken !== undefined) throw new Error(broken);
  const [first] = failuresThatShow(campaign.results);
  return {
    mutant,
    seeds: first === undefined ? undefined : campaign.results.indexOf(first) + 1,
    checks: first?.failure?.checks ?? [],
  };
}

function choose(engine: string, all: readonly Mutant[], names: readonly string[]): readonly Mutant[] {
  if (names.length === 0) return all;
  return names.map((name) => mutantNamed(engine, name));
}
