import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { WaitCode } from '../addon.ts';
import { createFutexCalls, type FutexCalls, momentIn } from './futexCalls.ts';
import type { Block, Kernel } from './kernel.ts';
import type { WaitAnswer, WaitRequest, WaitThreadData } from './waitThread.ts';

/** A wait that has not ended. Its words keep their mapping. */
interface Pending {
  readonly words: Int32Array;
  readonly resolve: (code: WaitCode) => void;
  readonly reject: (error: Error) => void;
}

/** The thread that waits for an event loop, and for what. */
interface Running {
  readonly port: MessagePort;
  readonly pending: Map<number, Pending>;
}

/** The asynchronous waits of one event loop, for all of which one thread waits (`waitThread.ts`). It is started by the first wait. */
export class AsyncWaits {
  readonly #calls: FutexCalls;
  /** Its first word tells the thread of requests. */
  readonly #control: Block;
  #running: Running | undefined;
  #ids = 0;

  constructor(kernel: Kernel) {
    this.#calls = createFutexCalls(kernel);
    this.#control = kernel.allocate(4);
  }

  /** Waits for the word at `address`, which is one of `words`. An open wait keeps the event loop alive. */
  add(words: Int32Array, address: number, expected: number, timeoutMs: number): Promise<WaitCode> {
    this.#running ??= this.#start();
    const { port, pending } = this.#running;
    this.#ids += 1;
    const id = this.#ids;
    const ended = new Promise<WaitCode>((resolve, reject) => pending.set(id, { words, resolve, reject }));
    if (pending.size === 1) port.ref();
    this.#send(port, { add: { id, address, expected, until: momentIn(timeoutMs) } });
    return ended;
  }

  /** Ends the waits on words of this buffer as timed out. */
  cancel(buffer: ArrayBufferLike): void {
    if (this.#running === undefined) return;
    const { port, pending } = this.#running;
    const cancel = [...pending].filter(([, { words }]) => words.buffer === buffer).map(([id]) => id);
    if (cancel.length > 0) this.#send(port, { cancel });
  }

  #send(port: MessagePort, request: WaitRequest): void {
    port.postMessage(request);
    Atomics.add(this.#control.words, 0, 1);
    this.#calls.wake(this.#control.address, 1);
  }

  #start(): Running {
    const { port1, port2 } = new MessageChannel();
    const running: Running = { port: port1, pending: new Map() };
    const { pending } = running;
    port1.on('message', (answer: WaitAnswer) => {
      for (const [id, code] of answer) {
        pending.get(id)?.resolve(code);
        pending.delete(id);
      }
      if (pending.size === 0) port1.unref();
    });
    port1.unref();
    const workerData: WaitThreadData = { port: port2, controlAddress: this.#control.address };
    const worker = new Worker(waitThreadModule(), {
      name: 'hotfire-futex',
      workerData,
      transferList: [port2],
      // Those of this process may be about its own main module.
      execArgv: [],
    });
    worker.unref();
    const end = (): void => this.#send(port1, 'end');
    // Node waits for its threads: this one shall not be asleep then.
    process.once('exit', end);
    worker.on('error', (error) => this.#lost(running, error));
    worker.on('exit', (code) => {
      process.off('exit', end);
      this.#lost(running, new Error(`the thread that waits for words ended with code ${code}`));
    });
    return running;
  }

  /** Whoever waits hears of it; the next wait starts another thread. */
  #lost(running: Running, cause: Error): void {
    if (this.#running === running) this.#running = undefined;
    running.port.close();
    const error = Object.assign(new Error(`futexWaitAsync: ${cause.message}`, { cause }), { code: 'ENOTSUP' });
    for (const { reject } of running.pending.values()) reject(error);
    running.pending.clear();
  }
}

function waitThreadModule(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './waitThread.ts' : './waitThread.js', import.meta.url);
}
