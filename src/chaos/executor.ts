import type { RunResult } from './runSeed.ts';
import type { ShrinkProgress } from './shrink/search.ts';

/** One run of a campaign, as plain data: all that whoever plays it needs to know. */
export interface RunTask {
  readonly engine: string;
  /** The run's identity: `17`, or `17.60` for run 60 drawn near run 17. */
  readonly run: string;
  /** Bugs that are planted in the engine. */
  readonly mutants: readonly string[];
  /** Runs that making a failure smaller may take; 0: none. */
  readonly shrinkRunsMax: number;
}

/** How far the shrinking of a failed run has come. */
export type RunProgress = ShrinkProgress;

/**
 * Plays runs somewhere: in threads of this process, or on other machines. What a run comes to does not depend on who plays
 * it, so a campaign is the same with every executor.
 */
export interface Executor {
  /** Runs that it plays at a time. What is given to it beyond waits in the order of the calls. */
  readonly width: number;
  /**
   * Plays one run.
   *
   * @param hurry once it is aborted, a failed run is left as small as it is by then, and an executor may leave out what it has
   * not begun; its reason is a `HurryReason`
   * @throws ExecutorError when the run could not be played to its end; what the engine does wrong is a result
   * @throws RunLeft when the run was not played because it is not wanted any more
   */
  run(task: RunTask, onProgress?: (progress: RunProgress) => void, hurry?: AbortSignal): Promise<RunResult>;
  /** Ends what it has begun, and lets go of what it holds. Runs under way fail. */
  close(): Promise<void>;
}

/** Why a campaign hurries: its time is over, or it was told to end and may be gone on with later. */
export type HurryReason = 'time budget' | 'interrupted';

/** A run was left before its end because the campaign ends: neither a result nor a mistake, but one that was not begun. */
export class RunLeft extends Error {
  override readonly name = 'RunLeft';
  readonly run: string;

  constructor(run: string) {
    super(`run ${run} was left: the campaign ends without it`);
    this.run = run;
  }
}

/** A run was not played to its end: its worker died, or the code of the stand failed. */
export class ExecutorError extends Error {
  override readonly name = 'ExecutorError';
  readonly run: string;

  constructor(run: string, message: string, options?: ErrorOptions) {
    super(`run ${run}: ${message}`, options);
    this.run = run;
  }
}
