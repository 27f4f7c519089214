import { type Executor, ExecutorError, RunLeft, type RunProgress } from './executor.ts';
import { type RunResult, unjudged } from './runSeed.ts';

/** Runs that could not be played, after which a campaign ends: what breaks so many breaks them all. */
export const brokenMax = 5;

export interface CampaignOptions {
  readonly engine: string;
  /** Bugs that are planted in the engine. */
  readonly mutants: readonly string[];
  /** Runs that making a failure smaller may take; 0: none. */
  readonly shrinkRunsMax: number;
  /** Who plays the runs. The caller closes it. */
  readonly executor: Executor;
  /** Which runs are played, generation by generation. */
  readonly plan: CampaignPlan;
  /**
   * Asked before each run is begun: true ends the campaign after those under way. For what comes from outside (an
   * interruption, a time budget), which no two campaigns share.
   */
  readonly mayStop?: () => boolean;
  /** Once it is aborted, failed runs are made no smaller: for the same causes. */
  readonly hurry?: AbortSignal;
  /**
   * Asked after each run in the order of runs: true ends the campaign with this one. Runs beyond it that were begun meanwhile
   * are dropped, so that the end is the same for every number of workers.
   */
  readonly isEnough?: (results: readonly PlayedRun[]) => boolean;
  /** Told in the order of runs, whichever ended first. */
  readonly onResult?: (result: PlayedRun) => void;
  /** Told as it happens. */
  readonly onProgress?: (run: string, progress: RunProgress) => void;
}

/** Which runs a campaign plays. */
export interface CampaignPlan {
  /** How many runs it has at most. */
  readonly length: number;
  /**
   * The runs of the next generation, chosen by the results of all generations before; none: the campaign has ended. A pure
   * function of those results, so that the number of workers does not show in it.
   */
  readonly next: (results: readonly PlayedRun[]) => readonly string[];
}

/** What one run came to, under its identity. */
export interface PlayedRun extends RunResult {
  readonly run: string;
}

/** The whole of a campaign. */
export interface CampaignResult {
  /** In the order of runs. */
  readonly results: readonly PlayedRun[];
  /** Runs that were not begun, or dropped, because the campaign was stopped. */
  readonly left: number;
}

/**
 * Plays the runs of a plan, as many at a time as the executor is wide. Neither what a run comes to, nor which runs are played,
 * nor where the campaign ends depends on that width, unless it is stopped from outside. A run that could not be played is a
 * result too (`broken`), so that it takes nothing with it; after `brokenMax` of them the campaign ends.
 */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const results: PlayedRun[] = [];
  let ended = false;
  while (!ended) {
    const generation = options.plan.next(results);
    if (generation.length === 0) break;
    ended = await playGeneration(generation, results, options);
  }
  return { results, left: Math.max(0, options.plan.length - results.length) };
}

/** Plays the runs of one generation and merges their results in order. True when the campaign has come to its end. */
function playGeneration(
  generation: readonly string[],
  results: PlayedRun[],
  { engine, mutants, shrinkRunsMax, executor, mayStop, hurry, isEnough, onResult, onProgress }: CampaignOptions,
): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const slots: (PlayedRun | undefined)[] = generation.map(() => undefined);
  let broken = results.filter(({ verdict }) => verdict === 'broken').length;
  let next = 0;
  let merged = 0;
  let stopped = false;
  let enough = false;

  function merge(): void {
    for (let result = slots[merged]; result !== undefined && !enough; result = slots[++merged]) {
      results.push(result);
      onResult?.(result);
      broken += result.verdict === 'broken' ? 1 : 0;
      enough = broken >= brokenMax || (isEnough?.(results) ?? false);
    }
  }

  async function work(): Promise<void> {
    while (next < generation.length && !enough) {
      stopped ||= mayStop?.() ?? false;
      if (stopped) return;
      const at = next++;
      const run = generation[at];
      if (run === undefined) throw new Error('unreachable: the index is below the length');
      const task = { engine, run, mutants, shrinkRunsMax };
      const result = await executor
        .run(task, (progress) => onProgress?.(run, progress), hurry)
        .catch((error: unknown): RunResult | undefined => {
          if (error instanceof ExecutorError) return unjudged('broken', error.message);
          stopped = true;
          if (error instanceof RunLeft) return undefined;
          throw error;
        });
      if (enough || result === undefined) return;
      slots[at] = { ...result, run };
      merge();
      // Those still under way cannot change the end any more: nobody waits for them.
      if (enough) resolve(true);
    }
  }

  const width = Math.min(executor.width, generation.length);
  void Promise.all(Array.from({ length: width }, work)).then(() => resolve(stopped || enough), reject);
  return promise;
}

/** The runs' own numbers, in order: a list, or what makes parts of one when they are asked for. */
export interface RunNumbers {
  readonly length: number;
  slice(from: number, to: number): readonly number[];
}

/** Runs `numbers` in order, each exactly the plain draw of its number; in generations only if somebody looks in between. */
export function plainPlan(numbers: RunNumbers, generation: number = numbers.length): CampaignPlan {
  return {
    length: numbers.length,
    next: (results) => numbers.slice(results.length, results.length + generation).map(String),
  };
}

/** The seeds of shard `index` (from 1) of `of`: every `of`-th, so that shards take equally long. Never all in memory. */
export function seedsOf(
  from: number,
  count: number,
  shard: { readonly index: number; readonly of: number },
): RunNumbers {
  const length = Math.max(0, Math.ceil((count - (shard.index - 1)) / shard.of));
  return {
    length,
    slice(first, end) {
      const size = Math.max(0, Math.min(end, length) - first);
      return Array.from({ length: size }, (_, n) => from + shard.index - 1 + (first + n) * shard.of);
    },
  };
}
