import type { Host } from '../../host/host.ts';
import type { Region } from '../../host/sharedMemory.ts';
import type { IndexbusMutantFlags } from './mutants.ts';
import { Point } from './points.ts';

/** Longest sleep without a look, in milliseconds: what a wake costs that got lost. */
export const sleepBoundMs = 50;

/** Bugs that can be planted here. */
export type WaitingMutants = Pick<IndexbusMutantFlags, 'sleepWithoutLook'>;

/**
 * Waiting for something that another participant does: some looks without rest, then the flag `sleeping`, one more look, and a sleep on the wake
 * sequence. Whoever does what is waited for stores it first and looks at the flag then; since one of both stores comes first, either this
 * side sees what was done or the other side sees the flag (Dekker's handshake, with sequentially consistent words). The sequence is read before
 * the last look, so a wake between the look and the sleep ends the sleep at once.
 *
 * No store stands in a `finally`: a participant that dies here leaves its flag set, which costs others a wake and nothing else.
 */
export class Waiting {
  readonly #region: Region;
  readonly #host: Pick<Host, 'clock' | 'telemetry'>;
  readonly #flag: number;
  readonly #wake: number;
  readonly #look: () => boolean;
  readonly #spins: number;
  readonly #mutants: WaitingMutants;
  readonly #isHeld: () => boolean;
  /** Calls of `until` under way: the flag is theirs in common. */
  #waiters = 0;

  /**
   * @param flag word that says that somebody sleeps
   * @param wake word on which to sleep
   * @param look whether what is waited for is there
   * @param spins looks before the first sleep
   * @param isHeld whether both words are still this side's: a call beside a wait may give them back, and then another's are there. Default always
   */
  constructor(
    region: Region,
    host: Pick<Host, 'clock' | 'telemetry'>,
    flag: number,
    wake: number,
    look: () => boolean,
    spins: number,
    mutants: WaitingMutants,
    isHeld: () => boolean = always,
  ) {
    this.#region = region;
    this.#host = host;
    this.#flag = flag;
    this.#wake = wake;
    this.#look = look;
    this.#spins = spins;
    this.#mutants = mutants;
    this.#isHeld = isHeld;
  }

  /** Waits until the look finds it; false if it has not after `timeoutMs`. */
  async until(timeoutMs: number): Promise<boolean> {
    if (this.#spin()) return true;
    const deadline = this.#host.clock.now() + timeoutMs;
    for (;;) {
      const left = deadline - this.#host.clock.now();
      if (!(left > 0)) return false;
      const sequence = this.#prepare();
      if (sequence === found) return true;
      await this.#region.waitAsync(this.#wake, sequence, Math.min(left, sleepBoundMs));
      this.#clear();
      if (this.#look()) return true;
    }
  }

  /** The same for a thread that may block. */
  untilSync(timeoutMs: number): boolean {
    if (this.#spin()) return true;
    const deadline = this.#host.clock.now() + timeoutMs;
    for (;;) {
      const left = deadline - this.#host.clock.now();
      if (!(left > 0)) return false;
      const sequence = this.#prepare();
      if (sequence === found) return true;
      this.#region.wait(this.#wake, sequence, Math.min(left, sleepBoundMs));
      this.#clear();
      if (this.#look()) return true;
    }
  }

  /** Ends the sleeps of this side's own: what they wait for will not come. */
  wakeAll(): void {
    if (this.#isHeld()) Atomics.add(this.#region.words, this.#wake, 1);
    this.#region.wake(this.#wake, 2 ** 30);
  }

  #spin(): boolean {
    const spins = this.#host.telemetry.buggify('early-sleep') ? 0 : this.#spins;
    for (let spin = 0; spin <= spins; spin += 1) if (this.#look()) return true;
    return false;
  }

  /** Sets the flag and looks again; the sequence to sleep on, or `found`. */
  #prepare(): number {
    const { words } = this.#region;
    const early = this.#mutants.sleepWithoutLook && this.#look();
    this.#region.step(Point.setSleeping);
    this.#waiters += 1;
    Atomics.store(words, this.#flag, 1);
    this.#region.step(Point.lookAgain);
    const sequence = Atomics.load(words, this.#wake);
    if (early || (!this.#mutants.sleepWithoutLook && this.#look())) {
      this.#clear();
      return found;
    }
    this.#region.step(Point.sleep);
    return sequence;
  }

  #clear(): void {
    this.#region.step(Point.clearSleeping);
    this.#waiters -= 1;
    if (this.#waiters === 0 && this.#isHeld()) Atomics.store(this.#region.words, this.#flag, 0);
  }
}

const always = (): boolean => true;

/** No wake sequence: these are whole numbers. */
const found = 0.5;
