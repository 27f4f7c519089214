import { Worker } from 'node:worker_threads';
import type { DaemonServices, DedicatedThread } from '../engines/engine.ts';

/** Starts a body in `threads/` on a thread of its own, which it may block: what the main thread does never stops it. */
export const startDedicatedThread: NonNullable<DaemonServices['startThread']> = (body, data): DedicatedThread => {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const module = new URL(`./threads/${modules[body]}.${extension}`, import.meta.url);
  const worker = new Worker(module, { workerData: data, name: body });
  let told = false;
  const ended = new Promise<void>((resolve, reject) => {
    worker.on('error', reject);
    worker.on('exit', (code) => {
      if (told || code === 0) resolve();
      else reject(new Error(`thread ${body} ended with code ${code}`));
    });
  });
  // Whoever started it waits for it; until then a rejection must not end the process by another way.
  ended.catch(() => undefined);
  return {
    post: (message) => worker.postMessage(message),
    onMessage: (fn) => {
      worker.on('message', fn);
    },
    ended,
    terminate: async () => {
      told = true;
      await worker.terminate();
    },
  };
};

const modules = { 'indexbus-router': 'indexbusRouter' } as const;
