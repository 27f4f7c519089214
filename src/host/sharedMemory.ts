/** What opening a region can fail with. */
export type SharedMemoryErrorCode = 'ENOSPC' | 'EEXIST' | 'ENOENT' | 'EACCES' | 'EINVAL' | 'ENOTSUP';

/** A shared-memory operation failed. */
export class SharedMemoryError extends Error {
  override readonly name = 'SharedMemoryError';
  readonly code: SharedMemoryErrorCode;

  constructor(code: SharedMemoryErrorCode, operation: string, region: string, detail?: string) {
    super(`${operation} ${region}: ${code}${detail === undefined ? '' : ` (${detail})`}`);
    this.code = code;
  }
}

export interface RegionOptions {
  /** `create`: made if missing, else opened; `create-new`: EEXIST if it is there; `open`: ENOENT if it is missing. */
  readonly mode: 'create' | 'create-new' | 'open';
  /** Use huge pages where the machine has them. Default false; `tuning()` tells what came of it. */
  readonly hugePages?: boolean;
  /** Lock the pages in memory. Default false; `tuning()` tells what came of it. */
  readonly lockMemory?: boolean;
}

/** One thing that was asked of the machine and what was applied. */
export interface TuningRow {
  readonly name: string;
  readonly requested: string;
  readonly applied: string;
  /** Why they differ; empty when they do not. */
  readonly reason: string;
}

/** Where a region's memory comes from. */
export type RegionBacking = 'hugetlbfs' | 'memfd' | 'tmpfs' | 'sab' | 'sim';

/** A block of memory that several processes (or threads) of one machine see. */
export interface Region {
  readonly name: string;
  readonly backing: RegionBacking;
  readonly bytes: Uint8Array;
  /** The same memory as 32-bit words, for Atomics. */
  readonly words: Int32Array;
  /**
   * To be called before every shared access, with a number that names the place in the code. Empty in production; in
   * the simulator the process can die, or another can run, exactly here.
   */
  step(point: number): void;
  /** Blocks the thread until `words[word]` is woken or differs from `expected`. Dedicated threads only. */
  wait(word: number, expected: number, timeoutMs: number): 'woken' | 'changed' | 'timeout';
  /** As `wait`, without blocking. May wake spuriously. */
  waitAsync(word: number, expected: number, timeoutMs: number): Promise<'woken' | 'changed' | 'timeout'>;
  /** Wakes up to `count` waiters of the word; returns how many. */
  wake(word: number, count: number): number;
  /** Takes liveness lock `index` (0..1023) for this process; false if another living process has it. */
  lock(index: number): boolean;
  unlock(index: number): void;
  /** Whether the holder of lock `index`, known under `identity`, lives. `doubtful`: nobody may act on it yet. */
  probe(index: number, identity: number): 'alive' | 'dead' | 'doubtful';
  tuning(): readonly TuningRow[];
  /** Detaches; locks of this process on the region are released. The memory stays for others. */
  close(): void;
}

export interface SharedMemory {
  /** Opens a region of `bytes` (a multiple of 4). New memory is zero. Rejects with `SharedMemoryError`. */
  open(name: string, bytes: number, options: RegionOptions): Promise<Region>;
  /** Removes the name; those attached keep the memory. ENOENT if it is missing. */
  remove(name: string): Promise<void>;
}
