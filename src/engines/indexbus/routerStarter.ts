import type { Host } from '../../host/host.ts';
import type { DaemonServices } from '../engine.ts';
import { claimSegment, placeOf } from './bringUp.ts';
import type { IndexbusConfig } from './config.ts';
import { BusError } from './errors.ts';
import { takeBack } from './formerGeneration.ts';
import { Header, SegmentState } from './layout.ts';
import { loopStats } from './loopStats.ts';
import type { Routed } from './rolling.ts';
import { fitsBatch } from './routerCommands.ts';
import type { RouterNews, RouterRunner, RouterSetup } from './routerRunner.ts';
import { serveRouterHere } from './routerServe.ts';
import { startRouterThread, type TuningNote } from './routerThread.ts';
import { formerPlace, removeFormer, type Segment, type SegmentPlace } from './segment.ts';
import type { NodeTallies, Serving } from './serving.ts';

/** A router that runs, and what the machine refused it. */
export interface Started {
  readonly runner: RouterRunner;
  readonly tuning: readonly TuningNote[];
}

/** A generation that waits until the one before is empty. */
export interface Waiting extends Routed, Started {}

/** What a process has in hand when it begins to route. */
export interface BroughtUp extends Pick<Serving, 'segment' | 'runner' | 'origin' | 'tuning'> {
  /** Of a roll that a router before did not end. */
  readonly next?: Waiting;
}

/** Finds the segment that a process is to route, or makes one, and starts routers. All that it has started run until `stop` or `end`. */
export class RouterStarter {
  readonly #host: Host;
  readonly #config: IndexbusConfig;
  readonly #services: DaemonServices;
  readonly #tallies: NodeTallies;
  readonly #onNews: (segment: Segment, news: RouterNews) => void;
  /** Routers with their segments: those of two generations at most. */
  readonly #running = new Map<RouterRunner, Segment>();

  /**
   * @param tallies has segments that were retired counted
   * @param onNews told what the routers tell, from their first poll on
   */
  constructor(
    host: Host,
    config: IndexbusConfig,
    services: DaemonServices,
    tallies: NodeTallies,
    onNews: (segment: Segment, news: RouterNews) => void,
  ) {
    this.#host = host;
    this.#config = config;
    this.#services = services;
    this.#tallies = tallies;
    this.#onNews = onNews;
  }

  /** The segment with a router on it. What is too damaged to go on with is replaced by its next generation. */
  async bringUp(): Promise<BroughtUp> {
    for (let tries = 0; ; tries += 1) {
      const { segment, origin, former } = await claimSegment(this.#host, this.#config);
      if (former !== undefined) {
        const both = await this.#bringUpBoth(former, segment).catch(async (error: unknown) => {
          await this.end();
          for (const { region } of [former, segment]) region.close();
          throw error;
        });
        if (both !== undefined) return both;
        continue;
      }
      // A drain was its former router's; a new one takes participants.
      // And nobody is left who could wait for the generation before.
      const { draining, open, waiting } = SegmentState;
      Atomics.compareExchange(segment.words, Header.state, draining, open);
      Atomics.compareExchange(segment.words, Header.state, waiting, open);
      try {
        const { runner, tuning } = await this.startRouter(segment);
        return { segment, runner, origin, tuning };
      } catch (error) {
        segment.region.close();
        if (!(error instanceof BusError) || error.code !== 'IB_CORRUPT' || tries > 0) throw error;
        this.#tallies.retired.corrupt += 1;
        this.#host.telemetry.logger.error('segment retired', { segment: segment.name, reason: error.message });
      }
    }
  }

  /** Both generations of a roll that a router before did not end; undefined where one is too damaged, and the other one now stands alone. */
  async #bringUpBoth(former: Segment, segment: Segment): Promise<BroughtUp | undefined> {
    const place = placeOf(this.#host, this.#config);
    // The configuration may be one for the slots of the next generation. One message at a time takes nothing from the lanes that have to be read yet.
    const batchSize = fitsBatch(this.#config.router_batch_size, former.layout.sizes.slots) ? undefined : 1;
    const old = await this.#startUnlessCorrupt(former, formerPlace(place), batchSize);
    const next = old === undefined ? undefined : await this.#startUnlessCorrupt(segment, place);
    if (old !== undefined && next !== undefined)
      return { segment: former, ...old, origin: 'found', next: { segment, ...next } };
    if (old === undefined) await removeFormer(place);
    else {
      await old.runner.stop();
      await takeBack(place, former);
      this.#running.delete(old.runner);
    }
    former.region.close();
    segment.region.close();
    return undefined;
  }

  async #startUnlessCorrupt(segment: Segment, at: SegmentPlace, batchSize?: number): Promise<Started | undefined> {
    try {
      return await this.startRouter(segment, at, batchSize);
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      // The router before this one has found it damaged, and died before it could say so.
      if (error.code === 'IB_RETIRED') return undefined;
      if (error.code !== 'IB_CORRUPT') throw error;
      this.#tallies.retired.corrupt += 1;
      this.#host.telemetry.logger.error('segment retired', { segment: segment.name, reason: error.message });
      return undefined;
    }
  }

  /** Starts a router on a segment, in a thread of its own where there can be one. @throws BusError IB_CORRUPT, IB_BAD_CONFIG for a batch that does not fit */
  async startRouter(
    segment: Segment,
    at: SegmentPlace = placeOf(this.#host, this.#config),
    batchSize: number = this.#config.router_batch_size,
  ): Promise<Started> {
    const started = await this.#start(segment, at, batchSize);
    this.#running.set(started.runner, segment);
    return started;
  }

  /** Ends a router, and detaches its segment. Rejects with what the router ended of. */
  async stop(runner: RouterRunner): Promise<void> {
    const segment = this.#running.get(runner);
    try {
      await runner.stop();
    } finally {
      this.#running.delete(runner);
      segment?.region.close();
    }
  }

  /** Ends all routers that run. What they ended of is told elsewhere. */
  async end(): Promise<void> {
    await Promise.allSettled([...this.#running.keys()].map((runner) => this.stop(runner)));
  }

  async #start(segment: Segment, at: SegmentPlace, batchSize: number): Promise<Started> {
    const setup = this.#setup(batchSize);
    const onNews = (news: RouterNews): void => this.#onNews(segment, news);
    const { startThread } = this.#services;
    const isShared = segment.region.backing !== 'sab' && segment.region.backing !== 'sim';
    if (startThread === undefined || !isShared) {
      return { runner: serveRouterHere(segment, this.#host, setup, onNews), tuning: [] };
    }
    const { shm: _, ...place } = at;
    const stats = loopStats();
    const calls = new SharedArrayBuffer(4);
    const cpu = this.#config.router_cpu === 'none' ? undefined : this.#config.router_cpu;
    const thread = startThread('indexbus-router', { place, setup, stats: stats.buffer, calls, cpu });
    const runner = await startRouterThread(thread, { calls, stats: stats.buffer }, segment, this.#host, onNews);
    return { runner, tuning: runner.tuning };
  }

  #setup(batchSize: number): RouterSetup {
    const config = this.#config;
    return {
      options: {
        batchSize,
        noSubscriber: config.no_subscriber,
        counterSampleMs: config.counter_sample_ms,
        autoCreate: config.topics.auto_create,
      },
      loop: { pollIntervalUs: config.router_poll_interval_us, spinUs: this.spinUsOf(config.router_spin_us) },
    };
  }

  /** `router_spin_us`, `auto` resolved: with fewer cores than spinning threads, spinning takes their time from those that work. */
  spinUsOf(spin: IndexbusConfig['router_spin_us']): number {
    if (spin !== 'auto') return spin;
    return (this.#services.cores ?? 1) > 2 ? 20 : 0;
  }
}
