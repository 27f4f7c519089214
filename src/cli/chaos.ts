import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import { type CampaignPlan, plainPlan, runCampaign, seedsOf } from '../chaos/campaign.ts';
import type { Executor, HurryReason } from '../chaos/executor.ts';
import { generationRuns, guidedPlan, untilProbes } from '../chaos/guidance/guide.ts';
import { createThreadExecutor } from '../chaos/threadExecutor.ts';
import { packageCommit } from '../daemon/version.ts';
import { ExitCode } from '../engines/engine.ts';
import { positiveInteger } from './arguments.ts';
import { createFailureDesk } from './chaos/failureDesk.ts';
import { findingsText, openFindings } from './chaos/findings.ts';
import { type ChaosFlags, expectNumbers, failuresMax, withChaosOptions } from './chaos/options.ts';
import { createCampaignProgress } from './chaos/progress.ts';
import { type ChaosSummary, emptiness, failuresOf, summarizeCampaign, summaryText } from './chaos/summary.ts';
import { onInterrupt } from './interrupt.ts';
import { expectOutputFile, writeOutputFile } from './outputFile.ts';
import { definitionOf, mutantNamed } from './planted.ts';
import { prepareReportDirectory } from './reportDirectory.ts';
import { packageRoot } from './vocabulary.ts';

export { type ChaosFlags, withChaosOptions } from './chaos/options.ts';

/** Longest time of a timer of Node. */
const timerMsMax = 2 ** 31 - 1;

/** Plays the runs of one call. `finish` is called when all that came of the campaign is written, `close` in any case. */
export type ChaosExecutor = Executor & { readonly finish?: () => Promise<void> };

/** `hotfire chaos`. */
export function chaosCommand(): Command {
  return withChaosOptions(new Command('chaos'))
    .summary('random clusters, loads and faults; failures shrink to a scenario file')
    .description(
      'Runs an engine in the simulator under random configurations, loads and faults. After the first generation half of the runs are drawn near those that reached what few runs reach. A run that violates a check is made smaller and left as a folder with its scenario, which `hotfire replay` reproduces, and a report. The same --seed gives the same runs and finds the same failures for every number of jobs.',
    )
    .option('--jobs <n>', 'worker threads', positiveInteger, availableParallelism())
    .addHelpText(
      'after',
      `
Exit codes: 0 every run held (and with --until-probes every probe has fired), 1 a run or a replayed finding was violated,
2 a run could not be decided, or a probe has never fired, or no run was judged, or more than a quarter was skipped, 64 usage,
70 the stand itself did not get through a run (the others are still printed and written), 74 every run held but the summary
could not be written, 130 interrupted, 143 told to end (the summary of what had ended is still printed and written). Runs
that the time budget left are counted as not begun; as long as others were judged they do not change the exit code.

Examples:
  $ hotfire chaos stemedb --seeds 200
  $ hotfire chaos stemedb --run 17.60
  $ hotfire chaos stemedb --seeds 2000 --until-probes
  $ hotfire chaos stemedb --seeds 1000 --shard 1/4 --time-budget 20m --json chaos.json --findings findings.json`,
    )
    .action(async (engine: string, flags: ChaosFlags & { readonly jobs: number }) => {
      process.exitCode = await chaos(engine, flags, async () =>
        createThreadExecutor({ jobs: flags.jobs, packageRoot: packageRoot.href }),
      );
    });
}

/**
 * Plays chaos with the runs going to the executor that `open` makes, prints and writes what came of it.
 *
 * @returns the exit code
 */
export async function chaos(engine: string, flags: ChaosFlags, open: () => Promise<ChaosExecutor>): Promise<number> {
  const definition = definitionOf(engine);
  if (flags.mutant !== undefined) mutantNamed(engine, flags.mutant);
  if (flags.json !== undefined) expectOutputFile('--json', flags.json);
  const commit = packageCommit();
  const book = flags.findings === undefined ? undefined : openFindings(flags.findings, engine, flags.mutant, commit);
  prepareReportDirectory(flags.out, '--out');
  const plan = planOf(flags, definition.points.probes);
  const deadline = flags.timeBudget === undefined ? Number.POSITIVE_INFINITY : Date.now() + flags.timeBudget;
  const executor = await open();
  const startedAt = Date.now();
  const progress = createCampaignProgress(process.stdout, plan.length);
  const failures = createFailureDesk(engine, flags, commit, progress);
  const hurry = new AbortController();
  const hurryFor = (reason: HurryReason) => hurry.abort(reason);
  const budget =
    flags.timeBudget === undefined
      ? undefined
      : setTimeout(() => hurryFor('time budget'), Math.min(flags.timeBudget, timerMsMax));
  let interrupted: number | undefined;
  const stopListening = onInterrupt((exitCode) => {
    interrupted = exitCode;
    hurryFor('interrupted');
    process.stderr.write(
      'interrupted: no further seed begins, those under way end first; a second time, after a second, ends at once\n',
    );
  });

  try {
    const campaign = await runCampaign({
      engine: definition.engine,
      mutants: flags.mutant === undefined ? [] : [flags.mutant],
      shrinkRunsMax: flags.shrink,
      executor,
      plan,
      hurry: hurry.signal,
      mayStop: () => interrupted !== undefined || Date.now() > deadline,
      isEnough: (results) => flags.keepGoing !== true && failuresOf(results).length >= failuresMax,
      onResult(result) {
        progress.ended(result.run);
        failures.take(result);
      },
      onProgress: progress.shrinking,
    });
    clearTimeout(budget);
    await failures.written();
    progress.clear();
    const summary: ChaosSummary = {
      ...summarizeCampaign(engine, flags, campaign, Date.now() - startedAt, definition.points),
      ...(interrupted === undefined ? {} : { interrupted: true }),
    };
    process.stdout.write(summaryText(summary));
    const lost =
      flags.json === undefined ? undefined : writeOutputFile(flags.json, `${JSON.stringify(summary, null, 2)}\n`);
    if (lost !== undefined) process.stderr.write(`error: the summary could not be written: ${lost}\n`);
    const findings = await book?.close(campaign.results, () => interrupted === undefined && Date.now() <= deadline);
    if (findings !== undefined && flags.findings !== undefined)
      process.stdout.write(findingsText(findings, flags.findings));
    // Not before: what lies with the executor is the only copy of the results until everything is written.
    // What broke gets a new chance from the same command, which finds the results of the others there.
    if (interrupted === undefined && summary.broken.length === 0) await executor.finish?.();
    if (interrupted !== undefined) return interrupted;
    if (summary.broken.length > 0) return ExitCode.software;
    if (summary.violated > 0 || findings?.some(({ replayed }) => replayed === 'violated') === true) return 1;
    const isUnsure = summary.undecided > 0 || summary.probesReached === false || emptiness(summary) !== undefined;
    if (isUnsure) return 2;
    return lost === undefined ? 0 : ExitCode.io;
  } finally {
    clearTimeout(budget);
    await executor.close();
    stopListening();
  }
}

function planOf(flags: ChaosFlags, probes: readonly string[]): CampaignPlan {
  const { run } = flags;
  if (run !== undefined) return { length: 1, next: (results) => (results.length === 0 ? [run] : []) };
  expectNumbers(flags.seed, flags.seeds);
  const numbers = seedsOf(flags.seed, flags.seeds, flags.shard);
  const plan = flags.blind === true ? plainPlan(numbers, generationRuns) : guidedPlan(numbers);
  return flags.untilProbes === true ? untilProbes(plan, probes) : plan;
}
