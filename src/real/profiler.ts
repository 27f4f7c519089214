import { Session } from 'node:inspector/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { CpuProfile, HeapProfile, Profiler } from '../host/profiler.ts';

const compress = promisify(gzip);

/** Microseconds between two samples of the CPU. */
const cpuIntervalMicros = 1_000;
/** Bytes of allocation between two samples of the heap, on average. */
const heapIntervalBytes = 64 * 1024;

/** V8's own profilers, through the inspector of this process. No port is opened. */
export function createRealProfiler(): Profiler {
  let heapSession: Promise<Session> | undefined;

  /** Sampling begins with the first call: what was allocated before is not known to V8. */
  async function beginHeap(): Promise<Session> {
    const session = new Session();
    session.connect();
    await session.post('HeapProfiler.enable');
    await session.post('HeapProfiler.startSampling', { samplingInterval: heapIntervalBytes });
    return session;
  }

  return {
    async cpu(ms, signal) {
      signal.throwIfAborted();
      const session = new Session();
      session.connect();
      try {
        await session.post('Profiler.enable');
        await session.post('Profiler.setSamplingInterval', { interval: cpuIntervalMicros });
        await session.post('Profiler.start');
        await sleep(ms, undefined, { signal });
        const { profile } = await session.post('Profiler.stop');
        // The protocol's types leave out what this V8 always gives.
        return profile as CpuProfile;
      } finally {
        session.disconnect();
      }
    },
    async heap() {
      heapSession ??= beginHeap();
      const session = await heapSession;
      const { profile } = await session.post('HeapProfiler.getSamplingProfile');
      return profile as HeapProfile; // as above
    },
    gzip: (bytes) => compress(bytes),
  };
}
