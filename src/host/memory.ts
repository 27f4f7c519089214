/** Memory of the process, as its machine counts it. */
export interface ProcessMemory {
  /**
   * Bytes of the process that lie in memory now: its resident set, what `ps` shows and what a limit of the kernel looks at. Heap, buffers
   * and code, whoever counts them, and what leaked.
   */
  usedBytes(): number;
  /** Bytes that the heap may grow to; one that needs more ends the process. Undefined: not known. */
  readonly heapLimitBytes?: number;
}
