import process from 'node:process';
import { getHeapStatistics } from 'node:v8';
import type { ProcessMemory } from '../host/memory.ts';

/** Memory of this process, also of everything else that runs in it. */
export function createProcessMemory(): ProcessMemory {
  return {
    usedBytes: () => process.memoryUsage.rss(),
    // Decided when the process started; old and young generation together.
    heapLimitBytes: getHeapStatistics().heap_size_limit,
  };
}
