import type { RegionBacking, SharedMemoryErrorCode, TuningRow } from './sharedMemory.ts';

/** What an engine's configuration asks of the machine it runs on. What is not named is not asked for. */
export interface MachineWishes {
  /** Directory of the files of shared memory; `auto` or nothing leaves it to the machine. */
  readonly directory?: string;
  /** Bytes of shared memory. */
  readonly bytes?: number;
  /** Name of the region: where it is there already, nobody has to find memory for it. */
  readonly region?: string;
  /** Group that may open it too. */
  readonly group?: string;
  readonly backing?: RegionBacking | 'auto';
  /** Processor that one thread is bound to. */
  readonly cpu?: number;
  /** NUMA node of the shared memory. */
  readonly numaNode?: number;
  /** Whether the shared memory is locked in memory. */
  readonly lockMemory?: boolean;
}

/** One thing that is asked of a machine, what there is, why they differ, and what would help. */
export interface MachineRow extends TuningRow {
  /** What would give it, or more than is asked; empty where nothing is to be done. */
  readonly advice: string;
  /** What opening the memory fails with here, so that nothing starts; not there where it starts with less than was asked for. */
  readonly refusal?: SharedMemoryErrorCode;
  /** What is there was made otherwise than is asked now, and serves all the same: no start is refused for it, be it strict. */
  readonly isKept?: true;
}
