import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type CampaignResult, type PlayedRun, plainPlan, runCampaign, seedsOf } from '../chaos/campaign.ts';
import type { Executor } from '../chaos/executor.ts';
import { chaosDefinitions } from '../chaos/registry.ts';
import type { SeedResult } from '../chaos/runSeed.ts';
import { createThreadExecutor } from '../chaos/threadExecutor.ts';
import { parseDuration } from '../faults/units.ts';
import { positiveInteger } from './arguments.ts';
import { UsageError } from './exit.ts';
import { onInterrupt } from './interrupt.ts';
import { definitionOf, mutantNamed } from './planted.ts';
import { packageRoot } from './vocabulary.ts';

export interface ChaosFlags {
  readonly seeds: number;
  readonly seed: number;
  readonly shard: { readonly index: number; readonly of: number };
  readonly timeBudget?: number;
  readonly mutant?: string;
  readonly json?: string;
  readonly out: string;
  readonly shrink: number;
  readonly keepGoing?: boolean;
}

/** Failures after which a campaign stops unless it is told to go on: the first ones tell the most. */
const failuresMax = 5;

/** fast-check, which draws from the seed, takes 31 bits. */
const wholeNumberMax = 2 ** 31 - 1;

/** Plays the runs of one call. `finish` is called when the campaign came to its end, `close` in any case. */
export type ChaosExecutor = Executor & { readonly finish?: () => Promise<void> };

/** `hotfire chaos`. */
export function chaosCommand(): Command {
  return withChaosOptions(new Command('chaos'))
    .summary('random clusters, loads and faults; failures shrink to a scenario file')
    .description(
      'Runs an engine in the simulator under random configurations, loads and faults, one run a seed. A run that violates a check is made smaller and written as a scenario that `hotfire replay` reproduces. Exits 0 when every run held, 1 when one was violated, 2 when one could not be decided, 130 when it was interrupted (the summary of what had ended is still printed and written). Seeds that the time budget left are counted as not begun and do not change the exit code.',
    )
    .option('--jobs <n>', 'worker threads', positiveInteger, availableParallelism())
    .addHelpText(
      'after',
      '\nExamples:\n  $ hotfire chaos stemedb --seeds 200\n  $ hotfire chaos stemedb --seeds 1000 --shard 1/4 --time-budget 20m --json chaos.json\n  $ hotfire chaos stemedb --seed 17 --seeds 1',
    )
    .action(async (engine: string, flags: ChaosFlags & { readonly jobs: number }) => {
      process.exitCode = await chaos(engine, flags, async () =>
        createThreadExecutor({ jobs: flags.jobs, packageRoot: packageRoot.href }),
      );
    });
}

/** Adds the engine and the options that every way of playing chaos has: what is drawn, when it ends, what is written. */
export function withChaosOptions(command: Command): Command {
  return command
    .argument('<engine>', `one of: ${[...chaosDefinitions.keys()].join(', ')}`)
    .option('--seeds <n>', 'how many seeds', positiveInteger, 200)
    .option('--seed <n>', 'the first seed', wholeNumber, 1)
    .addOption(
      new Option('--shard <i/n>', 'only every n-th seed, beginning with the i-th')
        .argParser(shard)
        .default({ index: 1, of: 1 }, '1/1'),
    )
    .option('--time-budget <duration>', 'begin no further seed after this much real time, such as 10m', duration)
    .option('--mutant <name>', 'plant this bug in the engine')
    .option('--json <file>', 'write a summary for machines')
    .option('--out <directory>', 'where scenarios of failures are written', 'reports/chaos')
    .option('--shrink <n>', 'runs that making a failure smaller may take', wholeNumber, 80)
    .option('--keep-going', `do not stop after ${failuresMax} failures`);
}

/**
 * Plays chaos with the runs going to the executor that `open` makes, prints and writes what came of it.
 *
 * @returns the exit code
 */
export async function chaos(engine: string, flags: ChaosFlags, open: () => Promise<ChaosExecutor>): Promise<number> {
  const definition = definitionOf(engine);
  if (flags.mutant !== undefined) mutantNamed(engine, flags.mutant);
  if (flags.json !== undefined && !existsSync(dirname(flags.json)))
    throw new UsageError(
      `expected --json in a directory that is there, got ${flags.json}; make ${dirname(flags.json)} first`,
    );
  const seeds = seedsOf(flags.seed, flags.seeds, flags.shard);
  const deadline = flags.timeBudget === undefined ? Number.POSITIVE_INFINITY : Date.now() + flags.timeBudget;
  const executor = await open();
  const startedAt = Date.now();
  let done = 0;
  let interrupted: number | undefined;
  const stopListening = onInterrupt((exitCode) => {
    interrupted = exitCode;
    process.stderr.write(
      'interrupted: no further seed begins, those under way end first; a second time ends at once\n',
    );
  });

  const campaign = await runCampaign({
    engine: definition.engine,
    mutants: flags.mutant === undefined ? [] : [flags.mutant],
    shrinkRunsMax: flags.shrink,
    executor,
    plan: plainPlan(seeds),
    mayStop: () => interrupted !== undefined || Date.now() > deadline,
    isEnough: (results) => flags.keepGoing !== true && failuresOf(results).length >= failuresMax,
    onResult(result) {
      done++;
      if (result.failure !== undefined) printFailure(engine, result, flags);
      if (process.stdout.isTTY === true) process.stdout.write(`\r${done}/${seeds.length} seeds`);
      else if (done % 50 === 0) process.stdout.write(`${done}/${seeds.length} seeds\n`);
    },
  })
    .then(async (ended) => {
      if (interrupted === undefined) await executor.finish?.();
      return ended;
    })
    .finally(() => executor.close());
  stopListening();
  if (process.stdout.isTTY === true) process.stdout.write('\r');
  const summary = {
    ...summarize(engine, flags, campaign, Date.now() - startedAt),
    ...(interrupted === undefined ? {} : { interrupted: true }),
  };
  if (flags.json !== undefined) write(flags.json, `${JSON.stringify(summary, null, 2)}\n`);
  printSummary(summary);
  if (interrupted !== undefined) return interrupted;
  return summary.violated > 0 ? 1 : summary.undecided > 0 ? 2 : 0;
}

function failuresOf(results: readonly PlayedRun[]): PlayedRun[] {
  return results.filter((result) => result.failure !== undefined);
}

function printFailure(engine: string, { run: seed, failure }: PlayedRun, flags: ChaosFlags): void {
  if (failure === undefined) return;
  const file = join(flags.out, `${engine}-${seed}${flags.mutant === undefined ? '' : `-${flags.mutant}`}.yaml`);
  const again = `npx hotfire chaos ${engine} --seed ${seed} --seeds 1${flags.mutant === undefined ? '' : ` --mutant ${flags.mutant}`}`;
  const replayed = `npx hotfire replay ${file}${flags.mutant === undefined ? '' : ` --mutant ${flags.mutant}`}`;
  const notes = [
    `# Chaos, seed ${seed}: ${failure.checks.join(', ')}`,
    ...failure.reasons.slice(0, 5).map((reason) => `#   ${reason}`),
    ...(flags.mutant === undefined
      ? []
      : [`# Seen with the planted bug ${flags.mutant}, not without it. See it again: ${replayed}`]),
  ];
  write(file, `${notes.join('\n')}\n${failure.scenario}`);
  process.stdout.write(
    `\nseed ${seed}: ${failure.checks.join(', ')}\n${failure.reasons
      .slice(0, 3)
      .map((reason) => `  ${reason}\n`)
      .join(
        '',
      )}  file:    ${file} (after ${failure.shrinkRuns} smaller runs)\n  replay:  ${replayed}\n  again:   ${again}\n`,
  );
}

function summarize(engine: string, flags: ChaosFlags, campaign: CampaignResult, realMs: number) {
  const count = (verdict: SeedResult['verdict']) =>
    campaign.results.filter((result) => result.verdict === verdict).length;
  return {
    engine,
    firstSeed: flags.seed,
    shard: `${flags.shard.index}/${flags.shard.of}`,
    ...(flags.mutant === undefined ? {} : { mutant: flags.mutant }),
    nodeVersion: process.versions.node,
    seeds: campaign.results.length,
    held: count('held'),
    violated: count('violated'),
    undecided: count('undecided'),
    skipped: count('skipped'),
    notBegun: campaign.left,
    realMs,
    virtualMs: campaign.results.reduce((sum, result) => sum + result.virtualMs, 0),
    events: campaign.results.reduce((sum, result) => sum + result.events, 0),
    neverReached: campaign.neverReached,
    failures: failuresOf(campaign.results).map(({ run, failure }) => ({ run, ...failure })),
    fingerprints: Object.fromEntries(campaign.results.map((result) => [result.run, result.fingerprint])),
  };
}

function printSummary(summary: ReturnType<typeof summarize>): void {
  const parts = [
    `${summary.seeds} seeds: ${summary.held} held, ${summary.violated} violated, ${summary.undecided} undecided`,
    summary.skipped > 0 ? `, ${summary.skipped} skipped` : '',
    summary.notBegun > 0 ? `, ${summary.notBegun} not begun` : '',
    `; ${Math.round(summary.virtualMs / 1000)} s of virtual time in ${(summary.realMs / 1000).toFixed(1)} s, ${summary.events} events\n`,
  ];
  process.stdout.write(parts.join(''));
  if (summary.neverReached.length > 0)
    process.stdout.write(`probes never reached: ${summary.neverReached.join('; ')}\n`);
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > wholeNumberMax)
    throw new InvalidArgumentError(`expected a whole number from 0 to ${wholeNumberMax}, got ${JSON.stringify(text)}.`);
  return value;
}

function shard(text: string): { readonly index: number; readonly of: number } {
  const match = /^(\d+)\/(\d+)$/.exec(text);
  const [index, of] = [Number(match?.[1]), Number(match?.[2])];
  if (!(index >= 1 && index <= of))
    throw new InvalidArgumentError(`expected a shard such as 1/4, got ${JSON.stringify(text)}.`);
  return { index, of };
}

function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined)
    throw new InvalidArgumentError(`expected a duration such as 90s or 10m, got ${JSON.stringify(text)}.`);
  return ms;
}
