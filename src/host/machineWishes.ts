import type { RegionBacking } from './sharedMemory.ts';

/** What an engine's configuration asks of the machine it runs on. What is not named is not asked for. */
export interface MachineWishes {
  /** Directory of the files of shared memory; `auto` or nothing leaves it to the machine. */
  readonly directory?: string;
  /** Bytes of shared memory. */
  readonly bytes?: number;
  readonly backing?: RegionBacking | 'auto';
  /** Processor that one thread is bound to. */
  readonly cpu?: number;
  /** NUMA node of the shared memory. */
  readonly numaNode?: number;
  /** Whether the shared memory is locked in memory. */
  readonly lockMemory?: boolean;
}
