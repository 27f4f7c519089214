import type { Clock, Millis } from '../../../host/clock.ts';
import type { Host } from '../../../host/host.ts';
import type { SimProcess } from '../../../sim/process.ts';

/** Sleeps of a router's process below this stand for work of its loop: see `routerTask.ts` of the engine. All others are longer. */
const workMsMax: Millis = 0.1;

/**
 * The router's thread of one process. In the simulator it is a task beside the process's other work; here it takes longer where its processor is
 * slow, and can be made to stand still while the process answers.
 */
export class RouterThread {
  readonly #process: SimProcess;
  /** Whether no other work runs on its core. */
  readonly hasOwnCore: boolean;
  #holds = 0;
  #waiting: (() => void)[] = [];

  constructor(process: SimProcess, hasOwnCore: boolean) {
    this.#process = process;
    this.hasOwnCore = hasOwnCore;
  }

  get isHeld(): boolean {
    return this.#holds > 0;
  }

  /** It stands still from its next rest or poll on; returns what lets it go on. */
  hold(): () => void {
    this.#holds += 1;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#holds -= 1;
      if (this.#holds > 0) return;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const goOn of waiting) this.#process.deliver('router thread goes on', goOn);
    };
  }

  async #free(): Promise<void> {
    while (this.isHeld) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** The host with which the process is to be started. */
  over(host: Host): Host {
    const { clock, shm } = host;
    const slowed: Clock = {
      now: () => clock.now(),
      wall: () => clock.wall(),
      timer: (ms, fn) => clock.timer(ms, fn),
      sleep: (ms, signal) => (ms < workMsMax && signal === undefined ? this.#work(clock, ms) : clock.sleep(ms, signal)),
    };
    return {
      ...host,
      clock: slowed,
      shm: {
        ...shm,
        open: async (name, bytes, options) => {
          const region = await shm.open(name, bytes, options);
          return {
            ...region,
            waitAsync: async (word, expected, timeoutMs) => {
              const how = await region.waitAsync(word, expected, timeoutMs);
              if (this.isHeld) await this.#free();
              return how;
            },
          };
        },
      },
    };
  }

  async #work(clock: Clock, ms: Millis): Promise<void> {
    await clock.sleep(ms * this.#process.machine.slowFactor);
    if (this.isHeld) await this.#free();
  }
}
