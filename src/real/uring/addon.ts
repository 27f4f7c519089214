/** How a thread's ring gets completions: `defer` (Linux 6.1), `coop` (5.19) or `plain`. */
export type RingMode = 'defer' | 'coop' | 'plain';

/** What `uringSupport` tells: the mode and the operations of this kernel, or which call failed with which errno. */
export type UringTrial =
  | { readonly ok: true; readonly mode: RingMode; readonly operations: readonly string[] }
  | { readonly ok: false; readonly call: string; readonly code: string };

/** What a ring has done since it was started. */
export interface RingStats {
  readonly mode: RingMode;
  /** Operations that it takes at once, and those that are in flight. */
  readonly slots: number;
  readonly inFlight: number;
  /** Calls of io_uring_enter, and what the kernel took by them; a linked sync counts apart. */
  readonly enters: number;
  readonly submitted: number;
  /** Operations that have ended, and those that found the ring full. */
  readonly completed: number;
  readonly refused: number;
}

/**
 * Called when an operation has ended: its result (a count, or a negative errno) and that of the sync linked behind it (0, or a
 * negative errno; -ECANCELED when it was not made). The slot may be in use again before it returns.
 */
export type RingCallback = (slot: number, result: number, syncResult: number) => void;

/**
 * What the addon offers of io_uring(7): one ring a thread. Operations return a slot, which is what the callback names them by, or -1:
 * the ring is full (or the kernel lacks the operation) and nothing was begun. They throw ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE and
 * ERR_URING_STOPPED. Bytes are copied to and from memory of the ring: a caller's buffer is not in the kernel's hands, whatever becomes
 * of it. What one turn of the loop asks for is submitted by one system call before the loop waits.
 */
export interface UringAddon {
  uringSupport(): UringTrial;
  /** Starts this thread's ring; `mode` '' for the best. ERR_URING_STARTED if there is one; the kernel's errors. */
  uringStart(slots: number, mode: RingMode | '', callback: RingCallback): RingMode;
  /** Ends it, as the end of the thread does. For tests, which start several. ERR_URING_BUSY while operations are in flight. */
  uringStop(): void;
  /** Reads at most 1 MiB. */
  uringRead(fd: number, into: Uint8Array, offset: number, length: number, position: number): number;
  /** Writes at most the first 1 MiB of the buffers; with `isLinked`, and if that is all of them, fdatasync is linked behind. */
  uringWrite(fd: number, buffers: readonly Uint8Array[], position: number, isLinked: boolean): number;
  /** Writes at most 1 MiB of zeros. */
  uringZero(fd: number, position: number, length: number): number;
  /** fdatasync. */
  uringSync(fd: number): number;
  /** fallocate. */
  uringAllocate(fd: number, position: number, length: number): number;
  /** Drops clean pages of a range from the page cache. */
  uringForget(fd: number, position: number, length: number): number;
  /** For tests, which hold the ring to its number of system calls. Undefined when there is no ring. */
  uringStats(): RingStats | undefined;
}
