import type { Millis } from '../../host/clock.ts';
import { DiskError } from '../../host/disk.ts';
import type { Host } from '../../host/host.ts';
import { inSpan } from '../../host/tracing.ts';
import { BACKGROUND_TASKS, type BackgroundTask } from './backgroundTasks.ts';
import type { IndexKeeper } from './index/keeper.ts';
import type { StemeMetrics } from './metrics.ts';

/** Which tasks to pause or to resume; all of them without `only`. */
export interface PauseRequest {
  readonly paused: boolean;
  readonly only?: readonly BackgroundTask[] | undefined;
}

/** A failed snapshot is tried again so often, so soon, and after that once a minute. */
const QUICK_TRIES = 3;
const QUICK_RETRY_MS: Millis = 1_000;
const SLOW_RETRY_MS: Millis = 60_000;

/** The rate of background I/O is halved each second that writes of the log are slower than this, down to the floor. */
export const SLOW_WRITE_MS: Millis = 50;
const FLOOR_BYTES_PER_SECOND = 1 << 20;
const ADJUST_EVERY_MS: Millis = 1_000;
/** A paused task looks so often whether it may go on. */
const LOOK_AGAIN_MS: Millis = 1_000;

export interface BackgroundOptions {
  readonly host: Host;
  readonly keeper: () => IndexKeeper;
  readonly metrics: StemeMetrics;
  /** Log between two parts, in bytes of payload. */
  readonly snapshotBytes: number;
  readonly bytesPerSecond: () => number;
  /** How long writes of the log take at present. */
  readonly writeMs: () => Millis;
}

/** Background work: snapshots of the index, within a budget of I/O that shrinks while the log's disk is slow. */
export class Background {
  readonly #options: BackgroundOptions;
  readonly #paused = new Set<BackgroundTask>();
  #foldedBytes = 0;
  #snapshotting = false;
  #closed = false;
  #newestPartAt: Millis;
  readonly #end = new AbortController();
  #rate: number;
  #adjustedAt: Millis;
  /** When the bytes let through so far are paid for. */
  #paidUntil: Millis;

  constructor(options: BackgroundOptions) {
    const now = options.host.clock.now();
    this.#options = options;
    this.#newestPartAt = now;
    this.#adjustedAt = now;
    this.#paidUntil = now;
    this.#rate = options.bytesPerSecond();
  }

  get snapshotAgeSeconds(): number {
    return (this.#options.host.clock.now() - this.#newestPartAt) / 1000;
  }

  isPaused(task: BackgroundTask): boolean {
    return this.#paused.has(task);
  }

  pause({ paused, only }: PauseRequest): void {
    for (const task of only ?? BACKGROUND_TASKS) {
      if (paused) this.#paused.add(task);
      else this.#paused.delete(task);
    }
    this.#considerSnapshot();
  }

  /** Counts folded bytes; begins a snapshot when there are enough. */
  folded(bytes: number): void {
    this.#foldedBytes += bytes;
    this.#considerSnapshot();
  }

  /** Writes a snapshot now, paused or not. Returns the last LSN in it. @throws DiskError */
  async snapshotNow(): Promise<number> {
    const counted = this.#foldedBytes;
    const last = await this.#snapshot(counted);
    this.#foldedBytes = Math.max(0, this.#foldedBytes - counted);
    this.#newestPartAt = this.#options.host.clock.now();
    return last;
  }

  #snapshot(payloadBytes: number): Promise<number> {
    const { host, keeper } = this.#options;
    return inSpan(host.telemetry.tracer, 'index.snapshot', undefined, async (_, span) => {
      const last = await keeper().snapshot();
      span.setAttributes({ 'index.last_lsn': last, 'index.payload_bytes': payloadBytes });
      return last;
    });
  }

  /** Waits until `bytes` more fit the budget: a token bucket that holds one second's worth. */
  async spend(task: BackgroundTask, bytes: number): Promise<void> {
    const { clock } = this.#options.host;
    this.#adjust();
    this.#options.metrics.backgroundBytes.inc({ task }, bytes);
    this.#paidUntil = Math.max(this.#paidUntil, clock.now() - 1_000) + (bytes * 1_000) / this.#rate;
    const wait = this.#paidUntil - clock.now();
    if (wait > 0) await clock.sleep(wait, this.#end.signal).catch(() => undefined);
  }

  /** Resolves to true when the task may do its next piece of work: at once, or when it is resumed; to false at the end. */
  async mayGoOn(task: BackgroundTask): Promise<boolean> {
    const { clock } = this.#options.host;
    while (this.isPaused(task) && !this.#closed)
      await clock.sleep(LOOK_AGAIN_MS, this.#end.signal).catch(() => undefined);
    return !this.#closed;
  }

  /** No snapshot begins any more; what waits for the budget goes on at once. */
  close(): void {
    this.#closed = true;
    this.#end.abort();
  }

  #considerSnapshot(): void {
    const { host, snapshotBytes } = this.#options;
    if (this.#snapshotting || this.#closed || this.#paused.has('index')) return;
    const due = this.#foldedBytes >= snapshotBytes || (this.#foldedBytes > 0 && host.telemetry.buggify('part-now'));
    if (!due) return;
    this.#snapshotting = true;
    // What is no disk error is a defect; nobody awaits this promise, so that the process hears of it.
    void this.#snapshotUntilDone().finally(() => {
      this.#snapshotting = false;
    });
  }

  async #snapshotUntilDone(): Promise<void> {
    const { host } = this.#options;
    for (let tries = 1; !this.#closed; tries++) {
      try {
        await this.snapshotNow();
        return;
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        host.telemetry.logger.warn('index snapshot failed', { code: error.code, path: error.path, tries });
        const wait = tries < QUICK_TRIES ? QUICK_RETRY_MS : SLOW_RETRY_MS;
        await host.clock.sleep(wait, this.#end.signal).catch(() => undefined);
      }
    }
  }

  #adjust(): void {
    const { host, bytesPerSecond, writeMs } = this.#options;
    const now = host.clock.now();
    if (now - this.#adjustedAt < ADJUST_EVERY_MS) return;
    this.#adjustedAt = now;
    if (writeMs() > SLOW_WRITE_MS) this.#rate = Math.max(FLOOR_BYTES_PER_SECOND, this.#rate / 2);
    else this.#rate = Math.min(bytesPerSecond(), this.#rate * 2);
  }
}
