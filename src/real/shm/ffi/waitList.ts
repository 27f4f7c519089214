import { constants } from 'node:os';
import type { WaitCode } from '../addon.ts';
import {
  changed,
  createFutexCalls,
  type FutexCalls,
  type Moment,
  monotonicNow,
  setTime,
  timedOut,
  woken,
} from './futexCalls.ts';
import type { Block, Kernel } from './kernel.ts';

/** Words of one call of futex_waitv(2) less the control word. */
const mostWords = 127;
/** Bytes of struct futex_waitv: value and address of 64 bits, flags and nothing of 32. */
const entryBytes = 24;
/** FUTEX2_SIZE_U32, without the private flag: it meets wakes of other processes. */
const word32 = 2;

/** With more words than one call takes, or without futex_waitv, the thread goes round them at this pace. */
const roundNs = 1_000_000n;
/** Where only values can be looked at, a wake without a change of the word cannot be seen: a wait ends as woken after this. */
const unseenWakeNs = 50_000_000n;
/** The thread comes back to JavaScript this often, so that it can be terminated. */
const sliceNs = 50_000_000n;

/** With these a call for many words ends as it may: a value differed, the time was over, a signal came. */
const { EAGAIN, ETIMEDOUT, EINTR } = constants.errno;
const expectedErrors: ReadonlySet<number> = new Set([EAGAIN, ETIMEDOUT, EINTR]);

/** Clock of futex_waitv's moments: CLOCK_MONOTONIC. */
const monotonic = 1;

export interface Wait {
  readonly id: number;
  readonly address: number;
  readonly expected: number;
  /** Undefined: never. */
  readonly until: Moment | undefined;
}

interface Waiting extends Wait {
  readonly word: Int32Array;
  readonly since: Moment;
}

/** Whether this kernel waits for many words in one call; one without it, or a seccomp filter, refuses even an empty call with another error. */
export function hasWaitv({ call, errno, numbers }: Kernel): boolean {
  if (process.env.HOTFIRE_FUTEX === 'polling') return false;
  return call(numbers.futex_waitv, 0, 0, 0, 0, 0, 0) === -1 && errno() === constants.errno.EINVAL;
}

/** Waits of an event loop, for which one thread waits: `native/dispatcher.cc` in JavaScript. */
export class WaitList {
  readonly #kernel: Kernel;
  readonly #control: Int32Array;
  readonly #controlAddress: number;
  readonly #single: FutexCalls;
  readonly #waitv: boolean;
  readonly #entries: Block;
  readonly #values: BigUint64Array;
  readonly #time: Block;
  readonly #timeParts: BigInt64Array;
  #waits: Waiting[] = [];
  #turn = 0;
  /** The kernel refused the last call for many words (it has no memory, or a filter lets none through): their values are looked at. */
  #refused = false;

  /** @param controlAddress address of a word that is changed and woken whenever the thread shall look again */
  constructor(kernel: Kernel, controlAddress: number) {
    this.#kernel = kernel;
    this.#control = new Int32Array(kernel.view(controlAddress, 4));
    this.#controlAddress = controlAddress;
    this.#single = createFutexCalls(kernel);
    this.#waitv = hasWaitv(kernel);
    this.#entries = kernel.allocate((mostWords + 1) * entryBytes);
    this.#values = new BigUint64Array(this.#entries.words.buffer);
    this.#time = kernel.allocate(16);
    this.#timeParts = new BigInt64Array(this.#time.words.buffer);
  }

  get isEmpty(): boolean {
    return this.#waits.length === 0;
  }

  /** The control word's value. To be read before one looks for changes that it tells of. */
  get control(): number {
    return Atomics.load(this.#control, 0);
  }

  add(wait: Wait): void {
    const word = new Int32Array(this.#kernel.view(wait.address, 4));
    this.#waits.push({ ...wait, word, since: monotonicNow() });
  }

  /** Takes away waits and gives those it had. */
  drop(ids: ReadonlySet<number>): readonly number[] {
    const dropped = this.#waits.filter(({ id }) => ids.has(id)).map(({ id }) => id);
    this.#waits = this.#waits.filter(({ id }) => !ids.has(id));
    return dropped;
  }

  /** Blocks until a wait ends, the control word is no longer `seen`, or a while has passed; tells of each wait that ended. */
  sleep(seen: number, ended: (id: number, code: WaitCode) => void): void {
    if (this.#endChangedAndLate(ended)) return;
    let until = monotonicNow() + sliceNs;
    const sooner = (moment: Moment | undefined): void => {
      if (moment !== undefined && moment < until) until = moment;
    };
    for (const wait of this.#waits) sooner(wait.until);
    if (this.#turn >= this.#waits.length) this.#turn = 0;
    const group: Waiting[] = [];
    for (let at = 0; this.#waitv && at < Math.min(this.#waits.length, mostWords); at++) {
      const wait = this.#waits[(this.#turn + at) % this.#waits.length];
      if (wait !== undefined) group.push(wait);
    }
    if (group.length < this.#waits.length) {
      this.#turn += group.length;
      sooner(monotonicNow() + roundNs);
    }
    if (this.#waitv) this.#sleepOn(group, seen, until, ended);
    else this.#single.wait(this.#controlAddress, seen, until);
    this.#endChangedAndLate(ended);
  }

  #sleepOn(group: readonly Waiting[], seen: number, until: Moment, ended: (id: number, code: WaitCode) => void): void {
    // The control word comes first: the kernel reports the last one in this order that was woken, so a report of the first says that
    // no other was.
    this.#setEntry(0, seen, this.#controlAddress);
    for (const [at, wait] of group.entries()) this.#setEntry(at + 1, wait.expected, wait.address);
    setTime(this.#timeParts, until);
    const { call, numbers } = this.#kernel;
    const last = call(
      numbers.futex_waitv,
      this.#entries.address,
      group.length + 1,
      0,
      this.#time.address,
      monotonic,
      0,
    );
    if (last < 0) this.#failed(seen, until);
    else this.#refused = false;
    if (last <= 0) return;
    // Those before it in the order may have been woken as well, which the kernel does not tell: they end too, as a wait may end for
    // nothing but may not sleep through its wake. So do all others of these words: whoever hears of one wake may give the next before
    // this thread is back in the kernel.
    const reported = new Set(group.slice(0, last).map(({ address }) => address));
    const ids = this.#waits.filter(({ address }) => reported.has(address)).map(({ id }) => id);
    for (const id of this.drop(new Set(ids))) ended(id, woken);
  }

  /** After a call for many words that gave an error. */
  #failed(seen: number, until: Moment): void {
    const number = this.#kernel.errno();
    this.#refused = !expectedErrors.has(number);
    if (!this.#refused) return;
    const next = monotonicNow() + roundNs;
    this.#single.wait(this.#controlAddress, seen, next < until ? next : until);
  }

  #setEntry(at: number, value: number, address: number): void {
    const values = this.#values;
    values[3 * at] = BigInt(value >>> 0);
    values[3 * at + 1] = BigInt(address);
    values[3 * at + 2] = BigInt(word32);
  }

  /** Whether it ended any. */
  #endChangedAndLate(ended: (id: number, code: WaitCode) => void): boolean {
    const now = monotonicNow();
    const blind = this.#refused || !this.#waitv;
    const before = this.#waits.length;
    this.#waits = this.#waits.filter(({ id, word, expected, until, since }) => {
      if (Atomics.load(word, 0) !== expected) ended(id, changed);
      else if (until !== undefined && now >= until) ended(id, timedOut);
      else if (blind && now - since >= unseenWakeNs) ended(id, woken);
      else return true;
      return false;
    });
    return this.#waits.length < before;
  }
}
