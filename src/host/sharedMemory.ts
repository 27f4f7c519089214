/** What opening a region can fail with. EDAMAGED: what tells where its memory is cannot be read. EMFILE: no descriptor is left. */
export type SharedMemoryErrorCode =
  | 'ENOSPC'
  | 'EEXIST'
  | 'ENOENT'
  | 'EACCES'
  | 'EINVAL'
  | 'ENOTSUP'
  | 'ENOTMEMORY'
  | 'EDAMAGED'
  | 'EMFILE';

/** A shared-memory operation failed. */
export class SharedMemoryError extends Error {
  override readonly name = 'SharedMemoryError';
  readonly code: SharedMemoryErrorCode;
  readonly region: string;
  /** What was expected and what came, in words. */
  readonly detail: string;

  constructor(code: SharedMemoryErrorCode, operation: string, region: string, detail = '') {
    super(`${operation} ${region}: ${code}${detail === '' ? '' : ` (${detail})`}`);
    this.code = code;
    this.region = region;
    this.detail = detail;
  }
}

/** A region's name is part of file names: letters, digits, `.`, `_` and `-`, the first a letter or digit, 128 at most. */
const regionNames = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** Throws EINVAL unless the name is one that a region may have. */
export function checkRegionName(operation: string, name: string): void {
  if (regionNames.test(name)) return;
  const detail = 'expected 1..128 letters, digits, ".", "_" or "-", the first a letter or digit';
  throw new SharedMemoryError('EINVAL', operation, name, detail);
}

/** Throws EINVAL unless a region can have this size. */
export function checkRegionBytes(operation: string, name: string, bytes: number): void {
  if (Number.isSafeInteger(bytes) && bytes > 0 && bytes % 4 === 0) return;
  throw new SharedMemoryError('EINVAL', operation, name, `expected a positive multiple of 4 bytes, got ${bytes}`);
}

export interface RegionOptions {
  /** `create`: made if missing, else opened; `create-new`: EEXIST if it is there; `open`: ENOENT if it is missing. */
  readonly mode: 'create' | 'create-new' | 'open';
  /**
   * Where the memory shall come from when it is made. Default `auto`: the first that works of those that keep what is in it while nobody is attached; ENOTSUP
   * where the machine has it not.
   */
  readonly backing?: 'auto' | RegionBacking;
  /** Directory of the region's files, on tmpfs. Default `auto`: the machine's own. ENOTMEMORY where it is on a disk. */
  readonly directory?: string;
  /** Group that may open it too, and whose members' memory is believed; default only this user, and root. */
  readonly group?: string;
  /** Regions that name the same one share their liveness locks. Default the region's own name. */
  readonly lockName?: string;
  /**
   * Use huge pages where the machine has free ones. Default: a region of at least one huge page does if the backing can; `tuning()`
   * tells what came of it.
   */
  readonly hugePages?: boolean;
  /** Lock the pages in memory. Default false; `tuning()` tells what came of it. */
  readonly lockMemory?: boolean;
  /** Bind the pages to this NUMA node when they are made. Default where the kernel puts them. */
  readonly numaNode?: number;
}

/** One thing that was asked of the machine and what was applied. */
export interface TuningRow {
  readonly name: string;
  readonly requested: string;
  readonly applied: string;
  /** Why they differ; empty when they do not. */
  readonly reason: string;
}

/**
 * Which process it is, or which thread: one that is not its process's first takes part by itself, and may end before it. A pid alone does not tell,
 * since pids come back; the time of its start does, on one boot of one machine and within one pid namespace.
 */
export interface ProcessIdentity {
  /** Of a thread the kernel's number of it (tid). */
  readonly pid: number;
  /** Clock ticks from the boot to the start of the process, or thread. */
  readonly startTicks: number;
  /** Number of the pid namespace in which `pid` counts. */
  readonly pidSpace: number;
}

/** What the kernel says of a process and of the lock that it should hold. What follows from it is the caller's to judge. */
export interface LivenessEvidence {
  readonly lock: 'held' | 'free';
  /**
   * `running`: it is there, stopped or not. `zombie`: it has ended, its parent has not looked. `gone`: nobody has the pid. `other`: the
   * pid belongs to a process that started at another time. `unknown`: another pid namespace, of which nothing can be known, or
   * a process that is hidden from this one.
   */
  readonly process: 'running' | 'zombie' | 'gone' | 'other' | 'unknown';
}

/** Whether other regions of the participant that has a lock may take it too. */
export type LockMode = 'shared' | 'alone';

/** Number of liveness locks of a region. */
export const regionLocks = 4096;

/** Where a region's memory comes from. */
export type RegionBacking = 'hugetlbfs' | 'memfd' | 'tmpfs' | 'sab' | 'sim';

/** A block of memory that several processes (or threads) of one machine see. */
export interface Region {
  readonly name: string;
  readonly backing: RegionBacking;
  /** Tells this memory from any other, whatever its name, as long as somebody has it; not there where nothing tells. */
  readonly memory?: string;
  readonly bytes: Uint8Array;
  /** The same memory as 32-bit words, for Atomics. */
  readonly words: Int32Array;
  /**
   * To be called before every shared access, with a number that names the place in the code. Empty in production; in
   * the simulator the process can die, or another can run, exactly here.
   */
  step(point: number): void;
  /**
   * Copies `count` runs of words out of the region into `to`: run i has `runs[3i + 2]` words, from word `runs[3i]` of the region on, to word `runs[3i + 1]`. For
   * many short runs, of which each would cost more than it has words. Words are read in no order, as plain loads would: what is told about their order has to be
   * read before the call, or after it. Not there where the machine has nothing better than a loop. Throws for a run that is not within both, before any is copied.
   */
  gather?(runs: Int32Array, count: number, to: Int32Array): void;
  /** Blocks the thread until `words[word]` is woken or differs from `expected`. Dedicated threads only. */
  wait(word: number, expected: number, timeoutMs: number): 'woken' | 'changed' | 'timeout';
  /**
   * As `wait`, without blocking. May wake spuriously; change the word before you wake it, or the wake may be missed. Rejects with EINVAL where the region
   * is closed: who waits in a loop would otherwise never let anything else run.
   */
  waitAsync(word: number, expected: number, timeoutMs: number): Promise<'woken' | 'changed' | 'timeout'>;
  /** Wakes up to `count` waiters of the word; returns how many. */
  wake(word: number, count: number): number;
  /**
   * Takes liveness lock `index` (0..4095) for this participant; false if another has it. Ends with the process, however it ends. Regions of
   * one participant with the same lock name may take the same lock: it is free when each that took it has unlocked it or closed.
   *
   * @param mode `alone`: false, too, while another region of this participant has it; nor does another get it then. Default `shared`
   */
  lock(index: number, mode?: LockMode): boolean;
  unlock(index: number): void;
  /** What is known of the process that should hold lock `index`. */
  evidence(index: number, holder: ProcessIdentity): LivenessEvidence;
  tuning(): readonly TuningRow[];
  /** NUMA node that its memory lies on; undefined, or not there, where the machine does not tell. */
  numaNode?(): number | undefined;
  /**
   * Detaches; locks that were taken through the region are released, its asynchronous waits end. The memory stays for others; where it was mapped for this
   * region alone, what is left of `words` and `bytes` are zeros that nobody else sees.
   */
  close(): void;
}

/** Where a region is, and whose may be there, as its options say. */
export type RegionPlace = Pick<RegionOptions, 'directory' | 'group'>;

export interface SharedMemory {
  /** Opens a region of `bytes` (a multiple of 4). New memory is zero. Rejects with `SharedMemoryError`. */
  open(name: string, bytes: number, options: RegionOptions): Promise<Region>;
  /** Gives a region another name in one step; what stood there loses its name and stays with those attached. ENOENT if it is missing. */
  rename(from: string, to: string, options?: RegionPlace): Promise<void>;
  /** Removes the name; those attached keep the memory. ENOENT if it is missing. */
  remove(name: string, options?: RegionPlace): Promise<void>;
  /**
   * Size and backing of the region of this name, and its `memory`, without mapping it; undefined if there is none. A size that is no multiple of 4 is told as
   * it is.
   */
  stat(
    name: string,
    options?: RegionPlace,
  ): Promise<{ readonly bytes: number; readonly backing: RegionBacking; readonly memory?: string } | undefined>;
  /** Who this participant is to the others. */
  identity(): ProcessIdentity;
  /** Number of this boot of the machine, four 32-bit words: memory of an earlier one is gone, files that tell of it may not be. */
  bootId(): readonly [number, number, number, number];
}
