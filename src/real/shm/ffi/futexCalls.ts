import { constants } from 'node:os';
import type { WaitCode } from '../addon.ts';
import type { Kernel } from './kernel.ts';

/** Operations of futex(2), without the private flag: they meet those of other processes. */
const wakeOperation = 1;
const waitBitset = 9;
const anyBit = 0xffff_ffff;

export const woken = 0;
export const changed = 1;
export const timedOut = 2;

/** A moment of the kernel's monotonic clock, in nanoseconds. */
export type Moment = bigint;

/** How long a wait that the kernel refuses pauses before it ends. */
const pauseNs = 1_000_000n;
/** A word that nobody changes or wakes: to wait for it is to pause. */
const neverWoken = new Int32Array(new SharedArrayBuffer(4));

/** 30 years are for ever, and no sum of them overflows. */
const foreverMs = 1e12;

export function monotonicNow(): Moment {
  // It is CLOCK_MONOTONIC, by which the kernel counts time-outs.
  return process.hrtime.bigint();
}

/** The moment in `timeoutMs` milliseconds; undefined if it never comes. */
export function momentIn(timeoutMs: number): Moment | undefined {
  if (timeoutMs >= foreverMs) return undefined;
  return monotonicNow() + BigInt(Math.floor(Math.max(timeoutMs, 0) * 1e6));
}

/** Waits for single words and wakes their waiters. */
export interface FutexCalls {
  /** Blocks the thread until the word at the address is woken or differs, or the moment comes. */
  wait(address: number, expected: number, until: Moment | undefined): WaitCode;
  /** Wakes waiters of the word; returns how many, -1 after an error. */
  wake(address: number, count: number): number;
}

export function createFutexCalls(kernel: Kernel): FutexCalls {
  const { call, errno, numbers } = kernel;
  const { futex } = numbers;
  const { EAGAIN, ETIMEDOUT, EINTR } = constants.errno;
  const time = kernel.allocate(16);
  const parts = new BigInt64Array(time.words.buffer, 0, 2);

  return {
    wait(address, expected, until) {
      setTime(parts, until);
      const timeAddress = until === undefined ? 0 : time.address;
      for (;;) {
        if (call(futex, address, waitBitset, expected, timeAddress, 0, anyBit) === 0) return woken;
        const number = errno();
        if (number === EAGAIN) return changed;
        if (number === ETIMEDOUT) return timedOut;
        // A signal: on with what is left of the time. Anything else (a kernel without the call) shall not turn into a busy loop, neither here nor of
        // whoever looks at the word and waits again.
        if (number === EINTR) continue;
        pause(until);
        return woken;
      }
    },
    wake: (address, count) => call(futex, address, wakeOperation, count, 0, 0, 0),
  };
}

function pause(until: Moment | undefined): void {
  const leftNs = until === undefined ? pauseNs : until - monotonicNow();
  Atomics.wait(neverWoken, 0, 0, Number(leftNs < pauseNs ? leftNs : pauseNs) / 1e6);
}

/** Writes a moment as struct timespec. */
export function setTime(parts: BigInt64Array, moment: Moment | undefined): void {
  if (moment === undefined) return;
  parts[0] = moment / 1_000_000_000n;
  parts[1] = moment % 1_000_000_000n;
}
