import type { Region } from '../../host/sharedMemory.ts';
import { Lock } from './layout.ts';
import { Point } from './points.ts';
import { asBusError, type Segment } from './segment.ts';

/**
 * Liveness locks of the seats that one attached segment holds. A region has each lock once, however often it takes it, and a seat may be claimed
 * anew here before its former holder here has let go: so the holders are counted.
 */
export class SeatLocks {
  readonly #region: Region;
  readonly #generation: number;
  readonly #holders = new Map<number, number>();

  constructor({ region, generation }: Pick<Segment, 'region' | 'generation'>) {
    this.#region = region;
    this.#generation = generation;
  }

  /** Takes the lock of seat `index`; what lets go of it again, once, or undefined if another participant has it. Throws `BusError`. */
  take(index: number): (() => void) | undefined {
    this.#region.step(Point.takeSeatLock);
    if (!this.#lock(index)) return undefined;
    this.#holders.set(index, (this.#holders.get(index) ?? 0) + 1);
    let taken = true;
    return () => {
      if (!taken) return;
      taken = false;
      this.#release(index);
    };
  }

  /** The first lock of a region opens its file. */
  #lock(index: number): boolean {
    try {
      return this.#region.lock(Lock.seat(this.#generation, index));
    } catch (error) {
      throw asBusError(this.#region.name, error);
    }
  }

  #release(index: number): void {
    const holders = (this.#holders.get(index) ?? 1) - 1;
    if (holders > 0) {
      this.#holders.set(index, holders);
      return;
    }
    this.#holders.delete(index);
    this.#region.unlock(Lock.seat(this.#generation, index));
  }
}
