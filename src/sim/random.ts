import seedrandom from 'seedrandom';
import { createDrawing } from '../host/drawing.ts';
import type { Random, RandomStream } from '../host/random.ts';
import { deriveSeed } from './hash.ts';
import type { Trace } from './trace.ts';

/**
 * Randomness of a world: independent streams by label, each Baagøe's Alea seeded from the root seed and its own label
 * alone. Every draw goes into the trace.
 */
export class SimRandom implements Random {
  readonly #seed: number;
  readonly #trace: Trace;
  readonly #streams = new Map<string, RandomStream>();

  constructor(seed: number, trace: Trace) {
    this.#seed = seed;
    this.#trace = trace;
  }

  stream(label: string): RandomStream {
    let stream = this.#streams.get(label);
    if (stream === undefined) {
      const generator = seedrandom.alea(deriveSeed(this.#seed, label), { state: true });
      const trace = this.#trace;
      stream = createDrawing(() => {
        const value = generator.int32() >>> 0;
        trace.draw(label, value);
        return value;
      });
      this.#streams.set(label, stream);
    }
    return stream;
  }

  /** The same streams under a prefix: what one process draws moves no draw of another. */
  scoped(prefix: string): Random {
    return { stream: (label) => this.stream(`${prefix}/${label}`) };
  }
}
