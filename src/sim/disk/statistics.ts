import type { Millis } from '../../host/clock.ts';
import type { RequestKind } from './timing.ts';

/** What the kernel counts of a block device (`/proc/diskstats`), as node_exporter shows it. */
export interface DeviceCounters {
  readonly reads: number;
  readonly readBytes: number;
  readonly writes: number;
  readonly writtenBytes: number;
  readonly flushes: number;
  /** Time in which at least one request was in flight: node_disk_io_time. */
  readonly ioTimeMs: Millis;
  /** Requests in flight, integrated over time: node_disk_io_time_weighted. */
  readonly weightedIoTimeMs: Millis;
  /** Requests in flight now. */
  readonly inFlight: number;
}

/** Counters of one device, exact at every moment of virtual time. */
export class DeviceStatistics {
  readonly #now: () => Millis;
  #lastMs: Millis = 0;
  #reads = 0;
  #readBytes = 0;
  #writes = 0;
  #writtenBytes = 0;
  #flushes = 0;
  #ioTimeMs = 0;
  #weightedIoTimeMs = 0;
  #inFlight = 0;
  #competitorShare = 0;
  #competitorDepth = 0;
  #stalled = false;

  constructor(now: () => Millis) {
    this.#now = now;
  }

  begin(kind: RequestKind, bytes: number, units: number): void {
    this.#advance();
    this.#inFlight += units;
    if (kind === 'read') {
      this.#reads += units;
      this.#readBytes += bytes;
    } else if (bytes > 0) {
      this.#writes += units;
      this.#writtenBytes += bytes;
    }
    if (kind === 'sync' || kind === 'durable') this.#flushes += 1;
  }

  end(units: number): void {
    this.#advance();
    this.#inFlight -= units;
  }

  /** Another user keeps the device busy for this share of the time, with so many requests in flight. */
  setCompetition(share: number, queueDepth: number): void {
    this.#advance();
    this.#competitorShare = share;
    this.#competitorDepth = queueDepth;
  }

  /** While it is stalled, a competitor's requests hang too: the device is busy all the time. */
  setStalled(stalled: boolean): void {
    this.#advance();
    this.#stalled = stalled;
  }

  read(): DeviceCounters {
    this.#advance();
    return {
      reads: this.#reads,
      readBytes: this.#readBytes,
      writes: this.#writes,
      writtenBytes: this.#writtenBytes,
      flushes: this.#flushes,
      ioTimeMs: this.#ioTimeMs,
      weightedIoTimeMs: this.#weightedIoTimeMs,
      inFlight: this.#inFlight + this.#competitorDepth,
    };
  }

  #advance(): void {
    const now = this.#now();
    const span = now - this.#lastMs;
    this.#lastMs = now;
    const busy = this.#inFlight > 0 || (this.#stalled && this.#competitorDepth > 0) ? 1 : this.#competitorShare;
    this.#ioTimeMs += span * busy;
    this.#weightedIoTimeMs += span * (this.#inFlight + this.#competitorDepth);
  }
}
