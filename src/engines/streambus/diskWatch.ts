import type { Millis, Timer } from '../../host/clock.ts';
import { DiskError } from '../../host/disk.ts';
import type { Host } from '../../host/host.ts';

/** How often the space of the volume is asked for. */
const lookEveryMs: Millis = 5_000;
/** Writes are taken again when this much more than the limit is free: a broker at the edge does not flap. */
const backAbove = 0.03;

/** Space of the data directory's volume. */
export interface Space {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** Watches the space of the volume, and says when there is too little of it to take writes. */
export class DiskWatch {
  readonly #host: Host;
  readonly #directory: string;
  readonly #below: () => number;
  readonly #onChange: (space: Space) => void;
  #timer: Timer | undefined;
  #stopped = false;
  space: Space | undefined;
  /** Why no writes should be taken; undefined: there is room. */
  tooLittle: string | undefined;

  /** `below`: share of free space, read at each look. `onChange` is called after each look that gave an answer. */
  constructor(host: Host, directory: string, options: { below: () => number; onChange: (space: Space) => void }) {
    this.#host = host;
    this.#directory = directory;
    this.#below = options.below;
    this.#onChange = options.onChange;
  }

  async start(): Promise<void> {
    await this.look();
    this.#later();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async look(): Promise<void> {
    try {
      const { freeBytes, totalBytes } = await this.#host.disk.usage(this.#directory);
      if (this.#stopped) return;
      this.space = { freeBytes, totalBytes };
      this.#judge(this.space);
      this.#onChange(this.space);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#host.telemetry.logger.warn('the space of the disk cannot be asked for', { error: error.message });
    }
  }

  #judge({ freeBytes, totalBytes }: Space): void {
    if (totalBytes === 0) return;
    const share = freeBytes / totalBytes;
    const below = this.#below();
    const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
    if (share < below) {
      this.tooLittle = `only ${percent(share)} of ${this.#directory} is free, storage.read_only_below is ${percent(below)}`;
    } else if (share >= below + backAbove) {
      this.tooLittle = undefined;
    }
  }

  #later(): void {
    if (this.#stopped) return;
    this.#timer = this.#host.clock.timer(lookEveryMs, () => {
      void this.look().then(() => this.#later());
    });
  }
}
