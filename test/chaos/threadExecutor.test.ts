import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Executor, RunProgress } from '../../src/chaos/executor.ts';
import { createThreadExecutor } from '../../src/chaos/threadExecutor.ts';

/** A worker that does what the name of its run says. */
const script = `
const { parentPort, threadId } = require('node:worker_threads');
parentPort.on('message', ({ kind, task }) => {
  if (kind === 'hurry') return parentPort.postMessage({ kind: 'result', result: { fingerprint: 'hurried' } });
  const { run } = task;
  if (run === 'throws') throw new Error('out of luck');
  if (run === 'exits') process.exit(7);
  if (run === 'defect') return parentPort.postMessage({ kind: 'defect', message: 'a broken check' });
  if (run === 'never') return;
  if (run === 'dies later') setTimeout(() => Promise.reject(new Error('too late')), 30);
  if (run === 'ends later') setTimeout(() => process.exit(7), 30);
  parentPort.postMessage({ kind: 'progress', progress: { pass: 'faults', runs: 1, runsMax: 2, faults: 3, nodes: 1, operations: 9 } });
  parentPort.postMessage({ kind: 'result', result: { fingerprint: run + '@' + threadId } });
});
`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotfire-executor-'));
  writeFileSync(join(folder, 'worker.cjs'), script);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function using<T>(jobs: number, body: (executor: Executor) => Promise<T>): Promise<T> {
  const module = pathToFileURL(join(folder, 'worker.cjs'));
  const executor = createThreadExecutor({ jobs, packageRoot: 'file:///', module });
  return body(executor).finally(() => executor.close());
}

const task = (run: string) => ({ engine: 'stemedb', run, mutants: [], shrinkRunsMax: 0 });

test('should play more runs than it has threads, with no more threads than it is wide', () =>
  using(2, async (executor) => {
    const results = await Promise.all(['1', '2', '3', '4', '5'].map((run) => executor.run(task(run))));
    expect(results.map(({ fingerprint }) => fingerprint.split('@')[0])).toEqual(['1', '2', '3', '4', '5']);
    expect(new Set(results.map(({ fingerprint }) => fingerprint.split('@')[1])).size).toBe(2);
  }));

test('should hand on the progress of a run', () =>
  using(1, async (executor) => {
    const seen: RunProgress[] = [];
    await executor.run(task('1'), (progress) => seen.push(progress));
    expect(seen).toEqual([{ pass: 'faults', runs: 1, runsMax: 2, faults: 3, nodes: 1, operations: 9 }]);
  }));

test.each([
  ['throws', 'run throws: its worker thread failed: out of luck'],
  ['exits', 'run exits: its worker thread ended with exit code 7 before it answered'],
  ['defect', 'run defect: the stand itself failed: a broken check'],
])('should name the run whose worker %s, and play the next one in a new thread', (run, message) =>
  using(1, async (executor) => {
    await expect(executor.run(task(run))).rejects.toThrow(message);
    await expect(executor.run(task('next'))).resolves.toMatchObject({ fingerprint: expect.stringMatching(/^next@/) });
  }),
);

test.each(['dies later', 'ends later'])('should not hand out a thread that %s, when it has no run', (run) =>
  using(1, async (executor) => {
    const [, first] = (await executor.run(task(run))).fingerprint.split('@');
    await new Promise((resolve) => setTimeout(resolve, 300));
    const [name, second] = (await executor.run(task('next'))).fingerprint.split('@');
    expect(name).toBe('next');
    expect(second).not.toBe(first);
  }),
);

test('should tell a run that is under way to hurry', () =>
  using(1, async (executor) => {
    const hurry = new AbortController();
    const run = executor.run(task('never'), undefined, hurry.signal);
    hurry.abort();
    await expect(run).resolves.toEqual({ fingerprint: 'hurried' });
  }));

test('should fail what it has under way, and what waits, when it is closed', async () => {
  await using(1, async (executor) => {
    const runs = [executor.run(task('never')), executor.run(task('2'))];
    const ends = Promise.allSettled(runs);
    await executor.close();
    expect((await ends).map((end) => end.status === 'rejected' && String(end.reason))).toEqual([
      expect.stringContaining('run never: its worker thread ended'),
      expect.stringContaining('run 2: it was closed'),
    ]);
  });
});
