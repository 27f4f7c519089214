import type { Clock } from './clock.ts';
import type { Disk } from './disk.ts';
import type { ProcessMemory } from './memory.ts';
import type { Network } from './network.ts';
import type { Random } from './random.ts';
import type { SharedMemory } from './sharedMemory.ts';
import type { Telemetry } from './telemetry.ts';

/**
 * What one process on one machine sees of the world. Everything that a process learns comes through here as plain
 * data (bytes, numbers, error codes), so that a host can be simulated, decorated or recorded.
 */
export interface Host {
  /** Stable identity of the machine: the same after every restart. */
  readonly name: string;
  /** Grows by one with every start of a process on this machine; 1 for the first. */
  readonly incarnation: number;
  /** Id of the process, as an operator of the machine would see it. */
  readonly pid: number;
  /** Bytes that the process may use: the limit of its cgroup, or the machine's memory. Undefined: not known. */
  readonly memoryBytes?: number;
  /** What the process uses of it. Undefined: not known. */
  readonly memory?: ProcessMemory;
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly network: Network;
  readonly shm: SharedMemory;
  readonly telemetry: Telemetry;
}
