import type { Millis } from '../../host/clock.ts';
import type { RandomStream } from '../../host/random.ts';
import type { ScheduledEvent, Scheduler } from '../scheduler.ts';
import { DeviceStatistics } from './statistics.ts';

/** How fast a device is when nothing disturbs it. */
export interface DeviceModel {
  /** Requests that the device works on at once. Default 32. */
  readonly queueDepth: number;
  /** Latency of a read, without the transfer. Default 0.08 ms. */
  readonly readMs: Millis;
  /** Latency of a write, without the transfer. Default 0.02 ms. */
  readonly writeMs: Millis;
  /** Latency of a cache flush. Default 0.5 ms. */
  readonly syncMs: Millis;
  /** Transfer rate that all requests share. Default 1e9. */
  readonly bytesPerSecond: number;
  /** Each latency is drawn from base × [1, 1 + jitter]. Default 0.2. */
  readonly jitter: number;
}

/** A data-centre NVMe drive without power protection. */
export const defaultModel: DeviceModel = {
  queueDepth: 32,
  readMs: 0.08,
  writeMs: 0.02,
  syncMs: 0.5,
  bytesPerSecond: 1e9,
  jitter: 0.2,
};

export type RequestKind = 'read' | 'write' | 'sync' | 'durable';

/** How long a flush takes: median and 99th percentile of a log-normal distribution, constant when they are equal. */
export interface SyncDistribution {
  readonly p50Ms: Millis;
  readonly p99Ms: Millis;
}

/** Something that slows the device down while it is on. */
export type Disturbance =
  | { readonly kind: 'sync-distribution'; readonly distribution: SyncDistribution }
  | { readonly kind: 'sync-add'; readonly addMs: Millis }
  | { readonly kind: 'add'; readonly addMs: Millis }
  | { readonly kind: 'stall' }
  | { readonly kind: 'throttle'; readonly iops: number; readonly bytesPerSecond: number }
  | { readonly kind: 'compete'; readonly share: number; readonly queueDepth: number };

/** 99th percentile of the standard normal distribution. */
const normalP99 = 2.3263478740408408;
/** Bytes that one I/O of a throttled volume carries, as cloud volumes count them. */
const bytesPerIo = 65_536;

interface Request {
  readonly units: number;
  readonly complete: () => void;
  event: ScheduledEvent | undefined;
}

/**
 * When requests of one device complete: slots of a queue, a shared bus, latencies with seeded jitter, and disturbances.
 * Draws once a request, twice under a distribution of its own.
 */
export class DeviceQueue {
  readonly statistics: DeviceStatistics;
  readonly #scheduler: Scheduler;
  readonly #random: RandomStream;
  readonly #model: DeviceModel;
  readonly #label: string;
  readonly #slots: Float64Array;
  readonly #disturbances = new Map<number, Disturbance>();
  readonly #inFlight = new Set<Request>();
  readonly #stalled: Request[] = [];
  #nextId = 1;
  #busFree: Millis = 0;
  #throttleFree: Millis = 0;
  #isStalled = false;
  #iops = Number.POSITIVE_INFINITY;
  #bytesPerSecond: number;
  #addMs: Millis = 0;
  #syncAddMs: Millis = 0;
  #slowdown = 1;
  #distribution: SyncDistribution | undefined;

  constructor(scheduler: Scheduler, random: RandomStream, label: string, model: DeviceModel) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#label = label;
    this.#model = model;
    this.#bytesPerSecond = model.bytesPerSecond;
    this.#slots = new Float64Array(model.queueDepth);
    this.statistics = new DeviceStatistics(() => scheduler.now);
  }

  /** Gives the device a request; `complete` runs when it is done, whoever is alive then. */
  submit(kind: RequestKind, bytes: number, complete: () => void): void {
    const units = Math.max(1, Math.ceil(bytes / bytesPerIo));
    const request: Request = { units, complete, event: undefined };
    this.statistics.begin(kind, bytes, units);
    this.#inFlight.add(request);
    const now = this.#scheduler.now;
    let slot = 0;
    for (let n = 1; n < this.#slots.length; n++) if ((this.#slots[n] ?? 0) < (this.#slots[slot] ?? 0)) slot = n;
    let start = Math.max(now, this.#slots[slot] ?? 0);
    if (this.#iops !== Number.POSITIVE_INFINITY) {
      start = Math.max(start, this.#throttleFree);
      this.#throttleFree = start + (units * 1000) / this.#iops;
      start = this.#throttleFree;
    }
    const transferMs = (bytes * 1000 * this.#slowdown) / this.#bytesPerSecond;
    const transferred = Math.max(start, this.#busFree) + transferMs;
    this.#busFree = transferred;
    const done = transferred + this.#latency(kind);
    this.#slots[slot] = done;
    this.#schedule(request, done);
  }

  /** Slows the device down until the returned function is called. */
  disturb(disturbance: Disturbance): () => void {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#disturbances.set(id, disturbance);
    this.#resolve();
    return () => {
      if (this.#disturbances.delete(id)) this.#resolve();
    };
  }

  /** Ends every disturbance of a kind, whoever began it: the volume got another limit, the competitor was stopped. */
  lift(kind: Disturbance['kind']): void {
    for (const [id, one] of this.#disturbances) if (one.kind === kind) this.#disturbances.delete(id);
    this.#resolve();
  }

  /** Requests that are not complete are lost with the power. */
  reset(): void {
    for (const request of this.#inFlight) {
      if (request.event !== undefined) this.#scheduler.cancel(request.event);
      this.statistics.end(request.units);
    }
    this.#inFlight.clear();
    this.#stalled.length = 0;
    this.#slots.fill(0);
    this.#busFree = 0;
    this.#throttleFree = 0;
  }

  #schedule(request: Request, atMs: Millis): void {
    request.event = this.#scheduler.at(atMs, this.#label, undefined, () => {
      if (this.#isStalled) {
        this.#stalled.push(request);
        return;
      }
      this.#inFlight.delete(request);
      this.statistics.end(request.units);
      request.complete();
    });
  }

  #latency(kind: RequestKind): Millis {
    const model = this.#model;
    const factor = 1 + model.jitter * this.#random.float();
    let ms = 0;
    if (kind === 'read') ms = model.readMs * factor;
    if (kind === 'write' || kind === 'durable') ms = model.writeMs * factor;
    if (kind === 'sync' || kind === 'durable') {
      ms +=
        (this.#distribution === undefined ? model.syncMs * factor : this.#draw(this.#distribution)) + this.#syncAddMs;
    }
    return ms * this.#slowdown + this.#addMs;
  }

  #draw({ p50Ms, p99Ms }: SyncDistribution): Millis {
    if (p50Ms === p99Ms) return p50Ms;
    // Box–Muller; the first draw must not be 0.
    const radius = Math.sqrt(-2 * Math.log(1 - this.#random.float()));
    const normal = radius * Math.cos(2 * Math.PI * this.#random.float());
    return p50Ms * Math.exp((normal * Math.log(p99Ms / p50Ms)) / normalP99);
  }

  /** Computes what all disturbances together amount to. */
  #resolve(): void {
    this.#iops = Number.POSITIVE_INFINITY;
    this.#bytesPerSecond = this.#model.bytesPerSecond;
    this.#addMs = 0;
    this.#syncAddMs = 0;
    this.#distribution = undefined;
    let free = 1;
    let competitors = 0;
    let stalled = false;
    for (const one of this.#disturbances.values()) {
      if (one.kind === 'stall') stalled = true;
      else if (one.kind === 'add') this.#addMs += one.addMs;
      else if (one.kind === 'sync-add') this.#syncAddMs += one.addMs;
      else if (one.kind === 'sync-distribution') this.#distribution = one.distribution;
      else if (one.kind === 'throttle') {
        this.#iops = Math.min(this.#iops, one.iops);
        this.#bytesPerSecond = Math.min(this.#bytesPerSecond, one.bytesPerSecond);
      } else {
        free *= 1 - one.share;
        competitors += one.queueDepth;
      }
    }
    this.#slowdown = 1 / free;
    this.statistics.setCompetition(1 - free, competitors);
    this.#isStalled = stalled;
    this.statistics.setStalled(stalled);
    if (stalled) return;
    for (const request of this.#stalled.splice(0)) this.#schedule(request, this.#scheduler.now);
  }
}
