import type { TuningRow } from '../../host/sharedMemory.ts';
import type { ShmAddon } from './addon.ts';
import { loadShm } from './load.ts';

/**
 * Binds the calling thread to these processors, and no other thread of the process: garbage collection and the pool's threads stay
 * where they are. What came of it is in the row; a refusal (a cpuset without the processor) is no error.
 */
export function bindThread(cpus: readonly number[]): TuningRow {
  return applied('affinity', cpus.join(','), (shm) => {
    shm.setAffinity(cpus);
    return shm.getAffinity().join(',');
  });
}

/** Sets by how many nanoseconds (at least 1) the kernel may be late with time-outs of the calling thread; Linux's default is 50,000. */
export function setTimerSlack(ns: number): TuningRow {
  return applied('timerSlack', String(ns), (shm) => {
    shm.setTimerSlack(ns);
    return String(shm.getTimerSlack());
  });
}

function applied(name: string, requested: string, apply: (shm: ShmAddon) => string): TuningRow {
  const found = loadShm();
  if (found.by === 'nobody') return { name, requested, applied: 'none', reason: found.reason };
  try {
    return { name, requested, applied: apply(found.shm), reason: '' };
  } catch (error) {
    return { name, requested, applied: 'none', reason: error instanceof Error ? error.message : String(error) };
  }
}
