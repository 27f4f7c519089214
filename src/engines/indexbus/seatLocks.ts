import type { Region } from '../../host/sharedMemory.ts';
import { Lock } from './layout.ts';
import { Point } from './points.ts';

/**
 * Liveness locks of the seats that one attached segment holds. A region has each lock once, however often it takes it, and a seat may be claimed
 * anew here before its former holder here has let go: so the holders are counted.
 */
export class SeatLocks {
  readonly #region: Region;
  readonly #holders = new Map<number, number>();

  constructor(region: Region) {
    this.#region = region;
  }

  /** Takes the lock of seat `index`; false if another participant has it. */
  take(index: number): boolean {
    this.#region.step(Point.takeSeatLock);
    if (!this.#region.lock(Lock.seat(index))) return false;
    this.#holders.set(index, (this.#holders.get(index) ?? 0) + 1);
    return true;
  }

  /** Lets go of a lock that was taken. */
  release(index: number): void {
    const holders = (this.#holders.get(index) ?? 0) - 1;
    if (holders > 0) this.#holders.set(index, holders);
    else if (this.#holders.delete(index)) this.#region.unlock(Lock.seat(index));
  }
}
