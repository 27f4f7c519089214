import { readFileSync } from 'node:fs';
import { faults } from '../faults/registry.ts';
import type { Vocabulary } from '../scenario/load.ts';
import { stands } from '../scenario/stands/registry.ts';
import type { RunProgress, RunTask } from './executor.ts';
import { chaosDefinitions } from './registry.ts';
import { drawRun } from './runId.ts';
import { type RunResult, runDraw } from './runSeed.ts';

/** Plays the run that a task names. */
export type TaskPlayer = (
  task: RunTask,
  onProgress?: (progress: RunProgress) => void,
  /** Asked between the runs of a shrinking: true ends it with the smallest so far. */
  isHurried?: () => boolean,
) => Promise<RunResult>;

/**
 * Makes a player of tasks in this very thread, with the rule files of the package at `packageRoot` (a file URL). Whoever has
 * an event loop to keep alive uses `createThreadExecutor`, whose threads use this.
 */
export function createTaskPlayer(packageRoot: string): TaskPlayer {
  const rules = new Map<string, string>();
  const vocabulary: Vocabulary = {
    stands,
    faults,
    rules(stand) {
      let text = rules.get(stand.alertsFile);
      if (text === undefined) {
        text = readFileSync(new URL(stand.alertsFile, packageRoot), 'utf8');
        rules.set(stand.alertsFile, text);
      }
      return text;
    },
  };
  return async ({ engine, run, mutants, shrinkRunsMax }, onProgress, isHurried) => {
    const definition = chaosDefinitions.get(engine);
    if (definition === undefined) throw new Error(`expected an engine that chaos knows, got ${engine}`);
    return runDraw(definition, drawRun(definition, run), vocabulary, {
      mutants,
      shrinkRunsMax,
      ...(onProgress === undefined ? {} : { onShrink: onProgress }),
      ...(isHurried === undefined ? {} : { mayStop: isHurried }),
    });
  };
}
