import type { Disk } from '../host/disk.ts';
import type { Host } from '../host/host.ts';
import type { Telemetry } from '../host/telemetry.ts';
import { createRealClock } from './clock.ts';
import { memoryLimit } from './memoryLimit.ts';
import { createRealNetwork } from './network.ts';
import { createProcessMemory } from './processMemory.ts';
import { createRealRandom } from './random.ts';
import { createSharedMemory } from './shm/sharedMemory.ts';
import { createRealTelemetry, type RealTelemetryOptions } from './telemetry.ts';
import { createBestDisk } from './uring/disk.ts';

export interface RealHostOptions {
  /** Stable identity of the machine; the host name is a good one. */
  readonly name: string;
  /** Which start of a process this is; whoever counts the starts knows. Default 1. */
  readonly incarnation?: number;
  /** Default the file systems of this machine, through io_uring where the kernel allows it. */
  readonly disk?: Disk;
  /** A telemetry, or how to make one. Default pino on standard output at level `info`. */
  readonly telemetry?: Telemetry | { readonly options: RealTelemetryOptions };
}

/** The production host: this machine's clock, kernel randomness, disks, TCP, shared memory and standard output. */
export function createRealHost(options: RealHostOptions): Host {
  const given = options.telemetry;
  const telemetry =
    given === undefined ? createRealTelemetry() : 'options' in given ? createRealTelemetry(given.options) : given;
  return {
    name: options.name,
    incarnation: options.incarnation ?? 1,
    pid: process.pid,
    memoryBytes: memoryLimit(),
    memory: createProcessMemory(),
    clock: createRealClock(),
    random: createRealRandom(),
    disk: options.disk ?? createBestDisk(),
    network: createRealNetwork(),
    shm: createSharedMemory({
      onLeft: (path, error) => telemetry.logger.warn('cannot remove memory file', { path, error: String(error) }),
    }),
    telemetry,
  };
}
