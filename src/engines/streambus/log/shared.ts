import type { Host } from '../../../host/host.ts';

/** Bounds that all partitions of a broker share. */
export interface LogSharedOptions {
  /** Bytes of recent batches that are kept in memory for consumers. Default 64 MiB. */
  readonly cacheBytes?: number;
  /**
   * Bytes applied that are not yet in a segment file. At this bound leaders refuse appends with 19 and `hold()` of each
   * partition asks the driver to wait before it applies more. Default 64 MiB.
   */
  readonly unwrittenBytes?: number;
  /** Bytes a second that this broker pulls from others to catch up and to repair. Default 64,000,000. */
  readonly catchUpRate?: number;
}

/** Something that can give back cached bytes: the tail of a partition. */
export interface CacheOwner {
  /** Drops its oldest batch from memory and returns its bytes; 0 when that one may not go now. */
  evictOldest(): number;
}

/** Memory and rates that all partitions of one broker share. Built once a process. */
export class LogShared {
  readonly cacheBytesMax: number;
  readonly unwrittenBytesMax: number;
  readonly #host: Host;
  #rate: number;
  #cached = 0;
  #unwritten = 0;
  /** Owners in the order in which their batches came in: the oldest batch of all is the first one's oldest. */
  #order: CacheOwner[] = [];
  #orderHead = 0;
  #roomWaiters: (() => void)[] = [];
  /** When the bytes pulled so far have been paid for, on the monotonic clock. */
  #paidUntil = 0;

  constructor(host: Host, options: LogSharedOptions = {}) {
    this.#host = host;
    this.cacheBytesMax = options.cacheBytes ?? 64 * 1024 * 1024;
    this.unwrittenBytesMax = options.unwrittenBytes ?? 64 * 1024 * 1024;
    this.#rate = options.catchUpRate ?? 64_000_000;
  }

  get cachedBytes(): number {
    return this.#cached;
  }

  get unwrittenBytes(): number {
    return this.#unwritten;
  }

  /** Bytes a second for catching up from now on. */
  setCatchUpRate(bytesPerSecond: number): void {
    this.#rate = bytesPerSecond;
  }

  /** A batch came into memory. Others go when the bound is passed, the oldest first. */
  cached(owner: CacheOwner, bytes: number): void {
    this.#cached += bytes;
    this.#order.push(owner);
    let tries = this.#order.length - this.#orderHead;
    while (this.#cached > this.cacheBytesMax && tries-- > 0) {
      const oldest = this.#order[this.#orderHead++];
      if (oldest === undefined) break;
      const freed = oldest.evictOldest();
      if (freed === 0) this.#order.push(oldest);
      else this.#cached -= freed;
    }
    if (this.#orderHead > 1024 && this.#orderHead * 2 > this.#order.length) {
      this.#order = this.#order.slice(this.#orderHead);
      this.#orderHead = 0;
    }
  }

  /** Batches left memory otherwise: their partition closed or was restored. Their places in the order free nothing later. */
  uncached(owner: CacheOwner, bytes: number): void {
    this.#cached -= bytes;
    this.#order = this.#order.slice(this.#orderHead).filter((other) => other !== owner);
    this.#orderHead = 0;
  }

  /** Bytes were applied and await their write. */
  queued(bytes: number): void {
    this.#unwritten += bytes;
  }

  /** Bytes were written. */
  written(bytes: number): void {
    this.#unwritten -= bytes;
    if (this.#unwritten >= this.unwrittenBytesMax) return;
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const wake of waiters) wake();
  }

  get full(): boolean {
    return this.#unwritten >= this.unwrittenBytesMax;
  }

  /** Resolves when there is room again; undefined when there is room now. */
  room(): Promise<void> | undefined {
    if (!this.full) return undefined;
    return new Promise((resolve) => {
      this.#roomWaiters.push(resolve);
    });
  }

  /** Waits until this many bytes more may be pulled from another broker. */
  async payForCatchUp(bytes: number, signal: AbortSignal): Promise<void> {
    const now = this.#host.clock.now();
    const start = Math.max(now, this.#paidUntil);
    this.#paidUntil = start + (bytes * 1000) / this.#rate;
    if (start > now) await this.#host.clock.sleep(start - now, signal);
  }
}
