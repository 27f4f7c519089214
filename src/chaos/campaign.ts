import { Worker } from 'node:worker_threads';
import type { SeedResult } from './runSeed.ts';

/** What a worker is asked: one seed. */
export interface SeedTask {
  readonly seed: number;
  readonly path?: string;
}

/** What every worker of a campaign needs to know at its start. */
export interface WorkerSettings {
  readonly engine: string;
  readonly mutants: readonly string[];
  readonly shrinkRunsMax: number;
  /** Root of the package, as a file URL: where the rule files lie. */
  readonly packageRoot: string;
}

/** What a worker answers. */
export type WorkerAnswer =
  | { readonly kind: 'result'; readonly result: SeedResult }
  | { readonly kind: 'defect'; readonly seed: number; readonly message: string };

export interface CampaignOptions extends WorkerSettings {
  /** Seeds in the order in which they are given out. */
  readonly seeds: readonly number[];
  /** Workers at a time. */
  readonly jobs: number;
  /** fast-check's path, for a campaign of one seed. */
  readonly path?: string;
  /** Asked before each seed: true ends the campaign after those that run. */
  readonly mayStop: (results: readonly SeedResult[]) => boolean;
  readonly onResult: (result: SeedResult) => void;
}

/** The whole of a campaign. */
export interface CampaignResult {
  /** By seed, ascending. */
  readonly results: readonly SeedResult[];
  /** Probes that were registered in some run and reached in none. */
  readonly neverReached: readonly string[];
  /** Seeds that were not begun because the campaign was stopped. */
  readonly left: number;
}

/**
 * Runs seeds in worker threads, each in a world of its own. What a seed comes to does not depend on the number of
 * workers, nor on which of them ran it.
 *
 * @throws Error when the campaign's own code failed
 */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const results: SeedResult[] = [];
  let next = 0;
  let failure: Error | undefined;

  async function work(): Promise<void> {
    const settings: WorkerSettings = {
      engine: options.engine,
      mutants: options.mutants,
      shrinkRunsMax: options.shrinkRunsMax,
      packageRoot: options.packageRoot,
    };
    const worker = new Worker(workerModule(), { workerData: settings });
    try {
      while (next < options.seeds.length && failure === undefined && !options.mayStop(results)) {
        const seed = options.seeds[next++];
        if (seed === undefined) break;
        const answer = await ask(worker, { seed, ...(options.path === undefined ? {} : { path: options.path }) });
        if (answer.kind === 'defect') {
          failure = new Error(`seed ${answer.seed}: the run itself failed: ${answer.message}`);
          break;
        }
        results.push(answer.result);
        options.onResult(answer.result);
      }
    } finally {
      await worker.terminate();
    }
  }

  await Promise.all(Array.from({ length: Math.min(options.jobs, options.seeds.length) }, work));
  if (failure !== undefined) throw failure;
  results.sort((a, b) => a.seed - b.seed);
  return { results, neverReached: neverReached(results), left: options.seeds.length - next };
}

/** The seeds of shard `index` (from 1) of `of`: every `of`-th, so that shards take equally long. */
export function seedsOf(from: number, count: number, shard: { readonly index: number; readonly of: number }): number[] {
  return Array.from({ length: count }, (_, n) => from + n).filter((_, n) => n % shard.of === shard.index - 1);
}

/** Beside this file under the same ending: `.ts` in the sources, `.js` in the package. */
function workerModule(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);
}

function ask(worker: Worker, task: SeedTask): Promise<WorkerAnswer> {
  return new Promise((resolve, reject) => {
    const onMessage = (answer: WorkerAnswer) => {
      worker.off('error', onError);
      resolve(answer);
    };
    const onError = (error: unknown) => {
      worker.off('message', onMessage);
      reject(error);
    };
    worker.once('message', onMessage);
    worker.once('error', onError);
    worker.postMessage(task);
  });
}

function neverReached(results: readonly SeedResult[]): string[] {
  const reached = new Map<string, boolean>();
  for (const { probes } of results) {
    for (const probe of probes) reached.set(probe.name, (reached.get(probe.name) ?? false) || probe.reached);
  }
  return [...reached]
    .filter(([, was]) => !was)
    .map(([name]) => name)
    .sort();
}
