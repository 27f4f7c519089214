import type { Host } from '../../../host/host.ts';
import type { DiskClaims } from '../../../storage/journal/index.ts';
import { FilePool } from './filePool.ts';

/** Bounds that all partitions of a broker share. */
export interface LogSharedOptions {
  /** Bytes of recent batches that are kept in memory for consumers. Default 64 MiB. */
  readonly cacheBytes?: number;
  /**
   * Bytes applied that are not yet in a segment file. At this bound leaders refuse appends with 19 and `hold()` of each
   * partition asks the driver to wait before it applies more. Default 64 MiB.
   */
  readonly unwrittenBytes?: number;
  /** Files that stay open although nobody uses them at the moment. Default 512. */
  readonly idleFiles?: number;
  /** Bytes a second that this broker pulls from others to catch up and to repair. Default 64,000,000. */
  readonly catchUpRate?: number;
}

/** Something that can give back cached bytes: the tail of a partition. */
export interface CacheOwner {
  /** Drops its oldest batch from memory and returns its bytes; 0 when that one may not go now; undefined when it holds no memory any more. */
  evictOldest(): number | undefined;
}

/** A partition that has applied batches which are not yet in its segment file. */
export interface UnwrittenOwner {
  /** Begins to write what is queued, if that is not under way. */
  drain(): void;
}

/** Memory and rates that all partitions of one broker share. Built once a process. */
export class LogShared {
  readonly cacheBytesMax: number;
  readonly unwrittenBytesMax: number;
  readonly files: FilePool;
  readonly #host: Host;
  #rate: number;
  #cached = 0;
  #unwritten = 0;
  #given = 0;
  #proposed = 0;
  /** Owners in the order in which their batches came in: the oldest batch of all is the first one's oldest. */
  #order: CacheOwner[] = [];
  #orderHead = 0;
  readonly #writers = new Set<UnwrittenOwner>();
  readonly #roomWaiters = new Set<() => void>();
  /** When the bytes pulled so far have been paid for, on the monotonic clock. */
  #paidUntil = 0;

  constructor(host: Host, options: LogSharedOptions = {}) {
    this.#host = host;
    this.cacheBytesMax = options.cacheBytes ?? 64 * 1024 * 1024;
    this.unwrittenBytesMax = options.unwrittenBytes ?? 64 * 1024 * 1024;
    this.files = new FilePool(host.disk, options.idleFiles ?? 512);
    this.#rate = options.catchUpRate ?? 64_000_000;
  }

  get cachedBytes(): number {
    return this.#cached;
  }

  /** What the segments take of the disk: all that was applied, and what leaders here have proposed, which will be. */
  get claims(): DiskClaims {
    return { givenBytes: this.#given + this.#proposed, unwrittenBytes: this.#unwritten + this.#proposed };
  }

  /** A leader here has taken a batch. */
  proposed(bytes: number): void {
    this.#proposed += bytes;
  }

  /** It was applied, or lost. */
  settled(bytes: number): void {
    this.#proposed -= bytes;
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
    this.evict();
  }

  /** Lets the oldest batches go while there are too many bytes: after some came, and after some were written and may go. */
  evict(): void {
    let tries = this.#order.length - this.#orderHead;
    while (this.#cached > this.cacheBytesMax && tries-- > 0) {
      const oldest = this.#order[this.#orderHead++];
      if (oldest === undefined) break;
      const freed = oldest.evictOldest();
      if (freed === 0) this.#order.push(oldest);
      else if (freed !== undefined) this.#cached -= freed;
    }
    if (this.#orderHead > 1024 && this.#orderHead * 2 > this.#order.length) {
      this.#order = this.#order.slice(this.#orderHead);
      this.#orderHead = 0;
    }
  }

  /** A closed owner gave its memory back. */
  uncached(bytes: number): void {
    this.#cached -= bytes;
  }

  /** Bytes were applied and await their write. Past half of the bound every partition begins to write what it has. */
  queued(owner: UnwrittenOwner, bytes: number): void {
    this.#unwritten += bytes;
    this.#given += bytes;
    this.#writers.add(owner);
    if (this.#unwritten * 2 < this.unwrittenBytesMax) return;
    for (const writer of this.#writers) writer.drain();
  }

  /** Nothing of this owner awaits its write. */
  drained(owner: UnwrittenOwner): void {
    this.#writers.delete(owner);
  }

  /** Bytes were written. */
  written(bytes: number): void {
    this.#unwritten -= bytes;
    if (this.#unwritten >= this.unwrittenBytesMax) return;
    const waiters = [...this.#roomWaiters];
    this.#roomWaiters.clear();
    for (const wake of waiters) wake();
  }

  get full(): boolean {
    return this.#unwritten >= this.unwrittenBytesMax;
  }

  /** Resolves when there is room again, or when `signal` ends the wait; undefined when there is room now. */
  room(signal?: AbortSignal): Promise<void> | undefined {
    if (!this.full) return undefined;
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      this.#roomWaiters.add(resolve);
      const giveUp = (): void => {
        this.#roomWaiters.delete(resolve);
        resolve();
      };
      signal?.addEventListener('abort', giveUp, { once: true });
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
