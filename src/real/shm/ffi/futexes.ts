import type { ShmAddon } from '../addon.ts';
import { argumentError, checkInteger } from './arguments.ts';
import { AsyncWaits } from './asyncWaits.ts';
import { createFutexCalls, momentIn } from './futexCalls.ts';
import { type Kernel, systemError } from './kernel.ts';
import type { Mappings } from './mapping.ts';
import { hasWaitv } from './waitList.ts';

/** Waits and wakes, as `native/futex.cc` has them. */
export function createFutexes(
  kernel: Kernel,
  { addressOf }: Mappings,
): Pick<ShmAddon, 'futexWait' | 'futexWaitAsync' | 'futexWake' | 'futexCancel' | 'futexMethod'> {
  const calls = createFutexCalls(kernel);
  let waits: AsyncWaits | undefined;
  let method: 'futex_waitv' | 'polling' | undefined;

  return {
    futexWait(words, index, expected, timeoutMs) {
      checkWait(expected, timeoutMs);
      return calls.wait(addressOf(words, index), expected, momentIn(timeoutMs));
    },
    futexWaitAsync(words, index, expected, timeoutMs) {
      checkWait(expected, timeoutMs);
      const address = addressOf(words, index);
      waits ??= new AsyncWaits(kernel);
      return waits.add(words, address, expected, timeoutMs);
    },
    futexWake(words, index, count) {
      checkInteger('count', count, 0, 2 ** 31 - 1);
      const address = addressOf(words, index);
      // The kernel wakes one even when none is asked for.
      if (count === 0) return 0;
      const woken = calls.wake(address, count);
      if (woken === -1) throw systemError(kernel.errno(), 'futex');
      return woken;
    },
    futexCancel(words, index) {
      addressOf(words, index);
      waits?.cancel(words.buffer);
    },
    futexMethod() {
      method ??= hasWaitv(kernel) ? 'futex_waitv' : 'polling';
      return method;
    },
  };
}

function checkWait(expected: number, timeoutMs: number): void {
  checkInteger('expected', expected, -(2 ** 31), 2 ** 31 - 1);
  if (typeof timeoutMs === 'number' && !Number.isNaN(timeoutMs)) return;
  throw argumentError('ERR_INVALID_ARG_TYPE', 'timeoutMs: expected a number');
}
