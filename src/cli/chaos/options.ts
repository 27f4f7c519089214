import { type Command, InvalidArgumentError, Option } from 'commander';
import { chaosDefinitions } from '../../chaos/registry.ts';
import { parseRunId, runNumberMax } from '../../chaos/runId.ts';
import { shrinkRunsMaxDefault } from '../../chaos/runSeed.ts';
import { duration, positiveInteger } from '../arguments.ts';
import { UsageError } from '../exit.ts';

/** What every way of playing chaos can be told: which runs, when it ends, what is written. */
export interface ChaosFlags {
  readonly seeds: number;
  readonly seed: number;
  readonly run?: string;
  readonly blind?: boolean;
  readonly untilProbes?: boolean;
  readonly shard: { readonly index: number; readonly of: number };
  readonly timeBudget?: number;
  readonly mutant?: string;
  readonly json?: string;
  readonly findings?: string;
  readonly keep?: boolean;
  readonly out: string;
  readonly shrink: number;
  readonly keepGoing?: boolean;
}

/** Failures after which a campaign stops unless it is told to go on: the first ones tell the most. */
export const failuresMax = 5;

/** Adds the engine and the options that every way of playing chaos has. */
export function withChaosOptions(command: Command): Command {
  return command
    .argument('<engine>', `one of: ${[...chaosDefinitions.keys()].join(', ')}`)
    .option('--seeds <n>', 'how many runs; with --until-probes at most so many', positiveInteger, 200)
    .option('--seed <n>', 'number of the first run', wholeNumber, 1)
    .addOption(
      new Option('--run <id>', 'play this run alone, as a failure names it: 17, or 17.60')
        .argParser(runId)
        .conflicts(['seeds', 'seed', 'shard', 'untilProbes', 'blind', 'timeBudget']),
    )
    .option('--blind', 'draw every run from its own number alone, none near one that reached something rare')
    .option('--until-probes', 'end when every probe that any run registered has fired')
    .addOption(
      new Option('--shard <i/n>', 'only every n-th run, beginning with the i-th')
        .argParser(shard)
        .default({ index: 1, of: 1 }, '1/1'),
    )
    .option(
      '--time-budget <duration>',
      'begin no further run after this much real time, such as 10m, and make none smaller',
      duration,
    )
    .option('--mutant <name>', 'plant this bug in the engine')
    .option('--json <file>', 'write a summary for machines')
    .option('--findings <file>', 'compare with what this file says of the last campaign, and write it anew')
    .addOption(new Option('--keep', 'write each shrunk failure into scenarios/regressions, once').conflicts('mutant'))
    .option('--out <directory>', 'where the folders of failures are written', 'reports/chaos')
    .option('--shrink <n>', 'runs that making a failure smaller may take', wholeNumber, shrinkRunsMaxDefault)
    .option('--keep-going', `do not stop after ${failuresMax} failures`);
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > runNumberMax)
    throw new InvalidArgumentError(`expected a whole number from 0 to ${runNumberMax}, got ${JSON.stringify(text)}.`);
  return value;
}

function runId(text: string): string {
  if (parseRunId(text) === undefined)
    throw new InvalidArgumentError(
      `expected a run as a failure names it, such as 17 or 17.60, got ${JSON.stringify(text)}.`,
    );
  return text;
}

function shard(text: string): { readonly index: number; readonly of: number } {
  const match = /^(\d+)\/(\d+)$/.exec(text);
  const [index, of] = [Number(match?.[1]), Number(match?.[2])];
  if (!(index >= 1 && index <= of))
    throw new InvalidArgumentError(`expected a shard such as 1/4, got ${JSON.stringify(text)}.`);
  return { index, of };
}

/** Numbers of runs end at `runNumberMax`; a usage error when some would be beyond. */
export function expectNumbers(first: number, count: number): void {
  const last = first + count - 1;
  if (last > runNumberMax)
    throw new UsageError(
      `expected run numbers up to ${runNumberMax}, got ${first} to ${last}; take a smaller --seed or fewer --seeds`,
    );
}
