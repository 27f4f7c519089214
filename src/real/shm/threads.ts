import type { TuningRow } from '../../host/sharedMemory.ts';
import { loadNative, type NativeAddon } from '../native.ts';

/**
 * Binds the calling thread to these processors, and no other thread of the process: garbage collection and the pool's threads stay
 * where they are. What came of it is in the row; a refusal (a cpuset without the processor) is no error.
 */
export function bindThread(cpus: readonly number[]): TuningRow {
  return applied('affinity', cpus.join(','), (addon) => {
    addon.setAffinity(cpus);
    return addon.getAffinity().join(',');
  });
}

/** Sets by how many nanoseconds (at least 1) the kernel may be late with time-outs of the calling thread; Linux's default is 50,000. */
export function setTimerSlack(ns: number): TuningRow {
  return applied('timerSlack', String(ns), (addon) => {
    addon.setTimerSlack(ns);
    return String(addon.getTimerSlack());
  });
}

function applied(name: string, requested: string, apply: (addon: NativeAddon) => string): TuningRow {
  const native = loadNative();
  if ('reason' in native) return { name, requested, applied: 'none', reason: `no native addon: ${native.reason}` };
  try {
    return { name, requested, applied: apply(native.addon), reason: '' };
  } catch (error) {
    return { name, requested, applied: 'none', reason: error instanceof Error ? error.message : String(error) };
  }
}
