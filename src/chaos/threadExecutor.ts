import { Worker } from 'node:worker_threads';
import { type Executor, ExecutorError, type RunProgress, type RunTask } from './executor.ts';
import type { RunResult } from './runSeed.ts';

export interface ThreadExecutorOptions {
  /** Worker threads at a time; each is started when it is first needed. */
  readonly jobs: number;
  /** Root of the package, as a file URL: where the rule files lie. */
  readonly packageRoot: string;
  /** What the threads run. Default: `worker.ts`, beside this file. */
  readonly module?: URL;
}

/** What a worker thread is told at its start. */
export interface WorkerSettings {
  readonly packageRoot: string;
}

/** What a worker thread is told: a run to play, or to make the one it has no smaller. */
export type WorkerOrder = { readonly kind: 'play'; readonly task: RunTask } | { readonly kind: 'hurry' };

/** What a worker thread answers to a task: any number of `progress`, then one of the others. */
export type WorkerAnswer =
  | { readonly kind: 'progress'; readonly progress: RunProgress }
  | { readonly kind: 'result'; readonly result: RunResult }
  | { readonly kind: 'defect'; readonly message: string };

/**
 * Plays runs in worker threads of this process, each in a world of its own. A thread that dies fails the run that it had,
 * by name; the next run gets a new one.
 */
export function createThreadExecutor({ jobs, packageRoot, module }: ThreadExecutorOptions): Executor {
  const idle: Worker[] = [];
  const all = new Set<Worker>();
  /** Runs that wait for a thread. Bounded by the caller, who gives no more than `width` at a time if he wants none here. */
  const waiting: (() => void)[] = [];
  let closed = false;

  async function take(): Promise<Worker> {
    while (idle.length === 0 && all.size >= jobs && !closed) await new Promise<void>((free) => waiting.push(free));
    if (closed) throw new Error('it was closed before a thread was free');
    const settings: WorkerSettings = { packageRoot };
    return idle.pop() ?? start(settings);
  }

  function start(settings: WorkerSettings): Worker {
    const worker = new Worker(module ?? workerModule(), { workerData: settings });
    all.add(worker);
    // As long as it lives, and not only while it has a run: one that dies idle (a rejection that comes late) is not handed
    // out again, and its error does not end the process.
    const forget = () => {
      all.delete(worker);
      const at = idle.indexOf(worker);
      if (at >= 0) idle.splice(at, 1);
    };
    worker.on('error', forget).on('exit', forget);
    return worker;
  }

  return {
    width: jobs,
    async run(task, onProgress, hurry) {
      let worker: Worker;
      try {
        worker = await take();
      } catch (error) {
        throw new ExecutorError(task.run, reasonOf(error), { cause: error });
      }
      try {
        const result = await ask(worker, task, onProgress, hurry);
        if (all.has(worker)) idle.push(worker);
        return result;
      } catch (error) {
        // Whatever state it is in: it is not asked again.
        all.delete(worker);
        await worker.terminate();
        throw error;
      } finally {
        waiting.shift()?.();
      }
    },
    async close() {
      closed = true;
      for (const free of waiting.splice(0)) free();
      await Promise.all([...all].map((worker) => worker.terminate()));
      all.clear();
      idle.length = 0;
    },
  };
}

/** Beside this file under the same ending: `.ts` in the sources, `.js` in the package. */
function workerModule(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);
}

function ask(
  worker: Worker,
  task: RunTask,
  onProgress?: (progress: RunProgress) => void,
  hurry?: AbortSignal,
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const settle = (end: () => void) => {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      hurry?.removeEventListener('abort', onHurry);
      end();
    };
    const fail = (message: string, cause?: unknown) =>
      settle(() => reject(new ExecutorError(task.run, message, cause === undefined ? undefined : { cause })));
    const onMessage = (answer: WorkerAnswer) => {
      if (answer.kind === 'progress') onProgress?.(answer.progress);
      else if (answer.kind === 'result') settle(() => resolve(answer.result));
      else fail(`the stand itself failed: ${answer.message}`);
    };
    const onError = (error: unknown) => fail(`its worker thread failed: ${reasonOf(error)}`, error);
    const onExit = (code: number) => fail(`its worker thread ended with exit code ${code} before it answered`);
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    const order = (words: WorkerOrder): void => worker.postMessage(words);
    const onHurry = () => order({ kind: 'hurry' });
    order({ kind: 'play', task });
    if (hurry?.aborted === true) onHurry();
    else hurry?.addEventListener('abort', onHurry, { once: true });
  });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
