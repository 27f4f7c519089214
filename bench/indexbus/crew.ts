import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Answer, Order, Start } from './stage.ts';

const program = join(import.meta.dirname, 'participant.ts');

/** A participant on a thread or in a process of its own. */
export interface Mate {
  order(order: Order): Promise<Answer>;
  /** Sends something of the runtime's own kind, for the peers that are the runtime. */
  send(message: unknown): void;
  /** Called when a window of what was sent has been received. */
  onWindow: (got: number) => void;
  end(): void;
}

/** What a participant says. */
interface Said {
  readonly ready?: true;
  readonly answer?: Answer;
  readonly window?: number;
}

/** Starts a participant and waits until it has joined. */
export async function startMate(where: 'thread' | 'process', start: Start): Promise<Mate> {
  const worker = where === 'thread' ? new Worker(program, { workerData: start }) : undefined;
  const child = worker === undefined ? fork(program, { serialization: 'json' }) : undefined;
  const target: Worker | ChildProcess | undefined = worker ?? child;
  if (target === undefined) throw new Error('no participant was started');
  const ready = Promise.withResolvers<void>();
  let answered = Promise.withResolvers<Answer>();
  let over = false;
  const fail = (error: Error): void => {
    if (over) return;
    ready.reject(error);
    answered.reject(error);
  };
  target.on('error', fail);
  target.on('exit', (code) => fail(new Error(`${start.role} ended with ${code}`)));
  const mate: Mate = {
    order(order) {
      answered = Promise.withResolvers<Answer>();
      mate.send({ order });
      return answered.promise;
    },
    send(message) {
      if (worker !== undefined) worker.postMessage(message);
      else child?.send(message as object);
    },
    onWindow: () => undefined,
    end() {
      over = true;
      if (worker !== undefined) void worker.terminate();
      else child?.kill('SIGKILL');
    },
  };
  target.on('message', (message: Said) => {
    if (message.ready) ready.resolve();
    else if (message.answer !== undefined) answered.resolve(message.answer);
    else if (message.window !== undefined) mate.onWindow(message.window);
  });
  child?.send({ start });
  await ready.promise;
  return mate;
}
