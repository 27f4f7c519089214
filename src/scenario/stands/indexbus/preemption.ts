import type { RandomStream } from '../../../host/random.ts';
import { ProcessEnded, type SimProcess } from '../../../sim/process.ts';
import type { World } from '../../../sim/world.ts';

/** Time between two of them: what others do meanwhile shall not become all that is done. */
const apartMs = 1;

export interface PreemptionOptions {
  readonly world: World;
  /** Producers that can send now, by name, with what lets each send one message. */
  readonly senders: () => readonly { readonly name: string; readonly process: SimProcess; readonly send: () => void }[];
}

/**
 * Takes the core of one participant, or of a router, between two accesses of shared memory: a producer sends meanwhile, and the router goes on.
 * In the simulator nobody else runs between two accesses otherwise.
 */
export class Preemption {
  readonly #options: PreemptionOptions;
  /** Part of its accesses before which one loses its core, by name. */
  readonly #shares = new Map<string, number>();
  #random: RandomStream | undefined;
  #lastAtMs = Number.NEGATIVE_INFINITY;
  #isUnderWay = false;

  constructor(options: PreemptionOptions) {
    this.#options = options;
  }

  /** From now on; returns how to undo that. */
  begin(name: string, share: number): () => void {
    this.#shares.set(name, share);
    return () => this.#shares.delete(name);
  }

  /** To be called before an access. @param goOn lets the router of its machine take a turn; undefined: it is the router */
  before(name: string, goOn: (() => void) | undefined): void {
    const share = this.#shares.get(name);
    if (share === undefined || this.#isUnderWay) return;
    const { world, senders } = this.#options;
    if (world.now - this.#lastAtMs < apartMs) return;
    this.#random ??= world.random.stream('preemption');
    if (!this.#random.chance(share)) return;
    this.#lastAtMs = world.now;
    this.#isUnderWay = true;
    try {
      const others = senders().filter((sender) => sender.name !== name);
      const sender = others[this.#random.integer(0, Math.max(0, others.length - 1))];
      if (sender !== undefined) surviving(sender.send);
      if (goOn !== undefined) surviving(goOn);
    } finally {
      this.#isUnderWay = false;
    }
  }
}

/** One that dies meanwhile ends itself, and not the one whose core it had. */
export function surviving(fn: () => void): void {
  try {
    fn();
  } catch (error) {
    if (!(error instanceof ProcessEnded)) throw error;
  }
}
