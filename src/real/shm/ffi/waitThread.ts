/**
 * The thread that waits for the words of one event loop. While nothing waits it is idle in its own loop and ends at once; else it blocks in the
 * kernel and comes back every 50 ms. A thread of its own and no call in libuv's pool: a wait may last for ever, and the pool's few threads
 * are needed for files.
 */
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { WaitCode } from '../addon.ts';
import { timedOut } from './futexCalls.ts';
import { loadKernel } from './kernel.ts';
import { createThreadCalls } from './threadCalls.ts';
import { type Wait, WaitList } from './waitList.ts';

/** What the thread is started with. */
export interface WaitThreadData {
  readonly port: MessagePort;
  /** Word that its owner changes and wakes after each message. */
  readonly controlAddress: number;
}

/** What it is told: to wait, to end waits, or to end itself. */
export type WaitRequest = { readonly add: Wait } | { readonly cancel: readonly number[] } | 'end';

/** What it tells: waits that have ended, and how. It touches their words no more. */
export type WaitAnswer = readonly (readonly [id: number, code: WaitCode])[];

// Whoever starts this module gives it this.
const { port, controlAddress } = workerData as WaitThreadData;
const loaded = loadKernel();
if (!('kernel' in loaded)) throw new Error(loaded.reason);
const waits = new WaitList(loaded.kernel, controlAddress);
// Late by as little as the kernel can: somebody's time-out hangs on it.
createThreadCalls(loaded.kernel).setTimerSlack(1);
port.on('message', (request: WaitRequest) => {
  let answers: [number, WaitCode][] = [];
  const tell = (id: number, code: WaitCode): void => {
    answers.push([id, code]);
  };
  take(request, tell);
  for (;;) {
    // What comes after this look changes the word, so it is not slept through.
    const seen = waits.control;
    for (let more = receiveMessageOnPort(port); more !== undefined; more = receiveMessageOnPort(port)) {
      // Only requests are sent here.
      take(more.message as WaitRequest, tell);
    }
    if (!waits.isEmpty) waits.sleep(seen, tell);
    if (answers.length > 0) port.postMessage(answers satisfies WaitAnswer);
    if (waits.isEmpty) return;
    answers = [];
  }
});

function take(request: WaitRequest, tell: (id: number, code: WaitCode) => void): void {
  if (request === 'end') process.exit(0);
  if ('add' in request) waits.add(request.add);
  else for (const id of waits.drop(new Set(request.cancel))) tell(id, timedOut);
}
