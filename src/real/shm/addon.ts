/** How a native wait ended: woken, the word had another value, or the time was over. */
export type WaitCode = 0 | 1 | 2;

/**
 * What the addon offers for shared memory, or FFI in its place (`ffi/`). Every function throws an Error with a `code` when an argument is
 * not what is said here.
 */
export interface ShmAddon {
  /** An anonymous memory file of no size (memfd_create(2)), closed on exec; of 2 MiB pages if asked. */
  createMemfd(name: string, hugePages: boolean): number;
  /** Nobody can change the size of the memfd from now on. */
  sealSize(fd: number): void;
  /**
   * Maps the first `bytes` of a file on tmpfs or hugetlbfs; ENOTMEMORY for any other. `reserve` gives the file its size and its pages:
   * ENOSPC if there are not enough. `numaNode` -1 leaves the place to the kernel. `numa` and `lock` are names of errors, empty for
   * none. `shared` tells whether `buffer` is a SharedArrayBuffer. The mapping ends when the buffer is collected.
   */
  mapMemory(
    fd: number,
    bytes: number,
    reserve: boolean,
    numaNode: number,
    lock: boolean,
  ): {
    readonly buffer: SharedArrayBuffer | ArrayBuffer;
    readonly shared: boolean;
    readonly numa: string;
    readonly lock: string;
  };
  /**
   * Gives the memory of the mapping of this word back now, not only when its buffer is collected; whether that was done. The buffer stays good, and is private
   * zeros from then on.
   */
  endMapping(words: Int32Array, index: number): boolean;
  /**
   * Copies `count` runs of `words` into `to`: run i has `runs[3i + 2]` words, from word `runs[3i]` on, to word `runs[3i + 1]`. Not by FFI, and not in addons that
   * were built before there was such a call.
   */
  gather?(words: Int32Array, runs: Int32Array, count: number, to: Int32Array): void;
  /** Mappings of the process (by FFI: of the thread) that have not ended, and their bytes. For tests, which hold a mapping to its end. */
  mappings(): { readonly count: number; readonly bytes: number };
  /** NUMA node of the page that holds a word of a mapping. */
  numaNodeOf(words: Int32Array, index: number): number;
  /** Whether this Node makes a SharedArrayBuffer over a mapping; else it is an ArrayBuffer. */
  hasExternalShared(): boolean;
  /** Blocks the thread until a word of a mapping is woken or differs. */
  futexWait(words: Int32Array, index: number, expected: number, timeoutMs: number): WaitCode;
  /** As `futexWait`, by the one waiting thread of the process (by FFI: of the event loop). May end as woken for nothing. */
  futexWaitAsync(words: Int32Array, index: number, expected: number, timeoutMs: number): Promise<WaitCode>;
  /** Wakes waiters of a word in all processes; returns how many. */
  futexWake(words: Int32Array, index: number, count: number): number;
  /** Ends this thread's asynchronous waits on the mapping of this word, as timed out. */
  futexCancel(words: Int32Array, index: number): void;
  /** `polling` where the kernel has no futex_waitv: a wake without a change of the word is then late by up to 50 ms. */
  futexMethod(): 'futex_waitv' | 'polling';
  /** Takes the lock of a byte for this open file; false if another open file has it. */
  lockByte(fd: number, byte: number): boolean;
  unlockByte(fd: number, byte: number): void;
  /** Whether another open file than this one holds the lock of the byte. */
  byteHeld(fd: number, byte: number): boolean;
  /** Soft and hard limit of locked memory of this process, bytes; -1 where there is none. */
  memlockLimit(): { readonly soft: number; readonly hard: number };
  /** The kernel's number of the calling thread, by which tests ask other tools about it. */
  threadId(): number;
  /** Processors that the calling thread may run on. */
  getAffinity(): number[];
  /** Binds the calling thread, and no other, to these processors. */
  setAffinity(cpus: readonly number[]): void;
  /** Nanoseconds by which the kernel may be late with a time-out of the calling thread. */
  getTimerSlack(): number;
  setTimerSlack(ns: number): void;
}
