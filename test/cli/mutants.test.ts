import { expect, test } from 'vitest';
import type { Executor, RunTask } from '../../src/chaos/executor.ts';
import type { RunResult } from '../../src/chaos/runSeed.ts';
import { confirming } from '../../src/cli/mutants.ts';

/** Plays runs of which `bad` are violated, with and without a bug. */
function executorOf(bad: (task: RunTask) => boolean): Executor & { readonly played: RunTask[] } {
  const played: RunTask[] = [];
  return {
    width: 1,
    played,
    async run(task): Promise<RunResult> {
      played.push(task);
      const rest = { fingerprint: '', events: 0, virtualMs: 0, probes: [], coverage: [], faults: [] };
      if (!bad(task)) return { verdict: 'held', ...rest };
      return { verdict: 'violated', ...rest, failure: { checks: ['C'], reasons: [], scenario: '', shrinkRuns: 0 } };
    },
    close: async () => {},
  };
}

const task: RunTask = { engine: 'stemedb', run: '5', mutants: ['a-bug'], shrinkRunsMax: 0 };

test('should count a bug as caught when the run holds without it', async () => {
  const executor = executorOf(({ mutants }) => mutants.length > 0);
  expect(await confirming(executor).run(task)).toMatchObject({ verdict: 'violated', failure: { checks: ['C'] } });
  expect(executor.played.map(({ mutants }) => mutants)).toEqual([['a-bug'], []]);
});

test('should not count a bug as caught by a run that is violated without it too', async () => {
  const result = await confirming(executorOf(() => true)).run(task);
  expect(result.verdict).toBe('undecided');
  expect(result.failure).toBeUndefined();
});

test('should play a run that holds once', async () => {
  const executor = executorOf(() => false);
  expect((await confirming(executor).run(task)).verdict).toBe('held');
  expect(executor.played).toHaveLength(1);
});
