import { getSystemErrorName } from 'node:util';
import { loadNative, type NativeAddon } from '../native.ts';
import type { RingMode } from './addon.ts';
import { type UringSupport, uringSupport } from './support.ts';

/** Operations of a thread that are in flight at once; those beyond go by node:fs. */
export const ringSlots = 64;

/** Called with the result (a count, or a negative errno) and the result of the linked sync. */
export type Completion = (result: number, syncResult: number) => void;

/** The ring of this thread. */
export interface Ring {
  readonly addon: NativeAddon;
  readonly mode: RingMode;
  /** Takes note who waits for a slot that an operation of the addon has returned; false when it returned none. */
  awaits(slot: number, completion: Completion): boolean;
  /**
   * For what only the ring can do. `attempt` says whether the ring took it; where it is too full, that is tried again, in the order of
   * coming, each time an operation has ended.
   */
  inTurn(attempt: () => boolean): void;
}

let started: Ring | Extract<UringSupport, { ok: false }> | undefined;

/** The ring of this thread, started at the first call, or why there is none. It ends with the thread. */
export function threadRing(): Ring | Extract<UringSupport, { ok: false }> {
  started ??= start();
  return started;
}

function start(): Ring | Extract<UringSupport, { ok: false }> {
  const support = uringSupport();
  if (!support.ok) return support;
  const native = loadNative();
  if ('reason' in native) return { ok: false, reason: native.reason };
  try {
    return startRing(native.addon, '');
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) };
  }
}

/** Starts this thread's ring in a mode of one's own choice ('' for the best). Throws what `uringStart` throws. */
export function startRing(addon: NativeAddon, mode: RingMode | ''): Ring {
  const waiting: (Completion | undefined)[] = new Array(ringSlots).fill(undefined);
  const late: (() => boolean)[] = [];
  let inFlight = 0;
  const tryLate = (): void => {
    while (late.length > 0 && late[0]?.() === true) late.shift();
    // Nothing is under way that would end.
    if (late.length > 0 && inFlight === 0) setImmediate(tryLate);
  };
  const taken = addon.uringStart(ringSlots, mode, (slot, result, syncResult) => {
    const completion = waiting[slot];
    // The completion may take the slot again.
    waiting[slot] = undefined;
    inFlight -= 1;
    completion?.(result, syncResult);
    if (late.length > 0) tryLate();
  });
  return {
    addon,
    mode: taken,
    awaits(slot, completion) {
      if (slot < 0) return false;
      waiting[slot] = completion;
      inFlight += 1;
      return true;
    },
    inTurn(attempt) {
      if (late.length === 0 && attempt()) return;
      late.push(attempt);
      if (late.length === 1 && inFlight === 0) setImmediate(tryLate);
    },
  };
}

/** The error for a negative errno, with the kernel's name for it in `code`, as node:fs makes them. */
export function kernelError(result: number, call: string): Error {
  const code = getSystemErrorName(result);
  return Object.assign(new Error(`${code}, ${call}`), { code, errno: result, syscall: call });
}
