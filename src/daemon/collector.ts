import process from 'node:process';
import { setFlagsFromString } from 'node:v8';

/** V8 of Node 24, which has the flag; a later one may be better at this by itself, and would complain of a flag that it lacks. */
const knownV8 = '13.';

/**
 * Lets V8 count array buffers as part of the heap, whose limit grows with what is alive. Otherwise it collects everything whenever
 * 64 MiB of them have come since the last time, whatever is alive: a broker under load would do so many times a second.
 */
export function countBuffersAsHeap(): void {
  if (process.versions.v8.startsWith(knownV8)) setFlagsFromString('--external-memory-accounted-in-global-limit');
}
