/** A worker thread of a campaign: plays the runs that it is given, one at a time. */
import { parentPort, workerData } from 'node:worker_threads';
import type { RunTask } from './executor.ts';
import { createTaskPlayer } from './playTask.ts';
import type { WorkerAnswer, WorkerOrder, WorkerSettings } from './threadExecutor.ts';

const port = parentPort;
if (port === null) throw new Error('a worker of chaos runs in a thread that createThreadExecutor starts');
const settings = workerData as WorkerSettings; // given by `createThreadExecutor` alone
const play = createTaskPlayer(settings.packageRoot);
const answer = (words: WorkerAnswer): void => port.postMessage(words);

let hurried = false;

port.on('message', (order: WorkerOrder) => {
  if (order.kind === 'hurry') hurried = true;
  else void playAndAnswer(order.task);
});

async function playAndAnswer(task: RunTask): Promise<void> {
  hurried = false;
  try {
    const result = await play(
      task,
      (progress) => answer({ kind: 'progress', progress }),
      () => hurried,
    );
    answer({ kind: 'result', result });
  } catch (error) {
    answer({ kind: 'defect', message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}
