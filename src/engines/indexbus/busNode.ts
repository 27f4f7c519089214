import type { Millis } from '../../host/clock.ts';
import type { Host } from '../../host/host.ts';
import type { DaemonServices } from '../engine.ts';
import { EngineError } from '../engine.ts';
import { checkNothingWaits } from './abandoned.ts';
import type { AgentReport, AgentView } from './agents.ts';
import { asEngineError, otherSizes, placeOf, routerHeld } from './bringUp.ts';
import {
  type IndexbusConfig,
  parseAddress,
  reloadInto,
  routerIdOf,
  type SizesBody,
  sizesOf,
  subscriptionOf,
} from './config.ts';
import { Counters } from './counters.ts';
import { BusError } from './errors.ts';
import { SeatProber } from './liveness.ts';
import { LoopStat } from './loopStats.ts';
import { probeSeats } from './probing.ts';
import { Recent } from './recent.ts';
import { type ControlPlaneState, type ReportClient, startReports } from './report.ts';
import { seeThrough } from './rolling.ts';
import { openRouterLock, type RouterLock } from './routerLock.ts';
import { hearNews } from './routerNews.ts';
import type { RouterRunner } from './routerRunner.ts';
import { RouterStarter, type Waiting } from './routerStarter.ts';
import type { TuningNote } from './routerThread.ts';
import { removeFormer, type Segment } from './segment.ts';
import type { NodeTallies, Serving } from './serving.ts';
import { findSubscription } from './subscriptions.ts';
import { buildSuccessor, successorSizes } from './successor.ts';

/** How often a standby asks for the lock: the kernel tells nobody that it is free. */
const standbyLookMs: Millis = 4;
/** How long an end waits for the sources to be empty. */
const emptySourcesMs: Millis = 2_000;
/** Share of polls with work is taken over this span. */
const busyWindowMs: Millis = 1_000;

/**
 * The router's process: holds the lock, has the segment and its router, looks at the holders of seats, and carries out what operators ask. Until it
 * has the lock it is a standby, and has no segment.
 */
export class BusNode {
  readonly host: Host;
  readonly config: IndexbusConfig;
  readonly routerId: string;
  readonly version: string;
  readonly tallies: NodeTallies = {
    detaches: { graceful: 0, dead: 0, stalled: 0, operator: 0, corrupt: 0 },
    recoveries: { none: 0, finished: 0 },
    retired: { corrupt: 0, rolled: 0 },
  };
  readonly #services: DaemonServices;
  readonly #starter: RouterStarter;
  readonly #stopped = Promise.withResolvers<void>();
  readonly #closing = new AbortController();
  #serving: Serving | undefined;
  #reports: ReportClient | undefined;
  readonly #incarnation: string;
  #lock: RouterLock | undefined;
  #draining = false;
  #rolling = false;
  #lastBusy = { at: 0, polls: 0, busy: 0 };

  constructor(host: Host, config: IndexbusConfig, services: DaemonServices) {
    this.host = host;
    this.config = config;
    this.#services = services;
    this.routerId = routerIdOf(config, host.name);
    this.version = services.version ?? '0';
    const { pid, startTicks } = host.shm.identity();
    this.#incarnation = `${host.name} ${pid} ${startTicks} ${host.incarnation}`;
    this.#stopped.promise.catch(() => undefined);
    this.#starter = new RouterStarter(host, config, services, this.tallies, (segment, news) =>
      hearNews(segment, news, this.#serving, this.tallies, host.telemetry),
    );
  }

  /** Settles when the node ends: rejects where it cannot go on. */
  get stopped(): Promise<void> {
    return this.#stopped.promise;
  }

  /** The segment and its router; undefined while another router has it. */
  get serving(): Serving | undefined {
    return this.#serving;
  }

  /** The segment and its router. @throws BusError IB_NO_ROUTER while it is a standby */
  get bus(): Serving {
    if (this.#serving !== undefined) return this.#serving;
    throw new BusError('IB_NO_ROUTER', `router ${this.routerId} stands by: ${this.#heldBy()}`);
  }

  /** The control plane as it is seen from here; undefined: this router reports to nobody. */
  controlPlane(): ControlPlaneState | undefined {
    return this.#reports?.state();
  }

  /** The routers that the control plane told of last; this one alone where there is none. */
  agents(): readonly AgentView[] {
    const { incarnation: _, heartbeat_ms: __, ...self } = this.#report();
    const own: AgentView = { ...self, state: 'online', last_report_ms: 0, incarnations: 1 };
    const others = this.#reports?.agents() ?? [];
    return others.some(({ router_id: id }) => id === own.router_id) ? others : [...others, own];
  }

  #report(): AgentReport {
    const { config, host } = this;
    const serving = this.#serving;
    return {
      router_id: this.routerId,
      region: config.region,
      environment: config.environment,
      segment: config.segment.name,
      host: host.name,
      version: this.version,
      incarnation: this.#incarnation,
      duty: serving === undefined ? 'standby' : 'router',
      admin: config.admin.listen,
      heartbeat_ms: config.control_plane.heartbeat_ms,
      counters: serving?.counters.rates() ?? {},
      qdepth: serving?.counters.queueDepth ?? 0,
      tuning: (serving?.tuning ?? []).map(({ name, applied, reason }) => ({ name, applied, reason })),
    };
  }

  get isDraining(): boolean {
    return this.#draining;
  }

  get services(): DaemonServices {
    return this.#services;
  }

  /** `router_spin_us`, `auto` resolved. */
  get spinUs(): number {
    return this.#starter.spinUs;
  }

  #heldBy(): string {
    return this.#lock === undefined ? 'it has not begun' : routerHeld(this.config.segment.name, this.#lock).message;
  }

  /** Takes the lock and serves. A standby comes back at once and serves later. @throws EngineError */
  async start(): Promise<void> {
    try {
      const { host, config } = this;
      this.#lock = await openRouterLock(host, placeOf(host, config), this.routerId);
      if (this.#lock.take()) {
        await this.#serve();
        this.#startReports();
        return;
      }
      if (!config.standby) throw routerHeld(config.segment.name, this.#lock);
      const { pid, routerId } = this.#lock.holder();
      host.telemetry.logger.info('standby', { segment: config.segment.name, pid, router_id: routerId });
    } catch (error) {
      await this.#end();
      throw asEngineError(error);
    }
    this.#startReports();
    void this.#standBy().catch((error: unknown) => this.#stopped.reject(asEngineError(error)));
  }

  #startReports(): void {
    const { address, heartbeat_ms: heartbeatMs } = this.config.control_plane;
    const parsed = address === 'none' ? undefined : parseAddress(address);
    if (parsed === undefined) return;
    this.#reports = startReports(this.host, parsed, heartbeatMs, () => this.#report());
  }

  async #standBy(): Promise<void> {
    const { signal } = this.#closing;
    const before = this.#lock?.holder().since;
    while (!signal.aborted && this.#lock?.take() === false) {
      // The one that had it is gone, and another standby was faster.
      this.host.telemetry.sometimes('two standbys raced', this.#lock.holder().since !== before);
      await this.host.clock.sleep(standbyLookMs, signal).catch(() => undefined);
    }
    if (!signal.aborted) await this.#serve();
  }

  async #serve(): Promise<void> {
    const { host, config } = this;
    const { logger } = host.telemetry;
    const { segment, runner, origin, tuning, next } = await this.#starter.bringUp();
    const { redoFinished, recoveryMs } = LoopStat;
    const finished = runner.stats.values[redoFinished] === 1;
    this.tallies.recoveries[finished ? 'finished' : 'none'] += 1;
    const serving = this.#adopt(segment, runner, origin, tuning);
    for (const given of otherSizes(segment, sizesOf(config))) logger.warn('segment differs, roll it', { given });
    const refused = serving.tuning.filter(({ reason }) => reason !== '');
    for (const row of refused) logger.warn('machine', { ...row });
    if (config.strict && refused.length > 0) {
      const names = refused.map(
        ({ name, requested, applied, reason }) => `${name}: ${requested} asked, ${applied}, ${reason}`,
      );
      throw new EngineError('IB_NOT_PERMITTED', 77, `the machine refuses what is asked of it: ${names.join('; ')}`);
    }
    await this.#declare();
    logger.info('routing', {
      segment: segment.name,
      generation: segment.generation,
      origin,
      backing: segment.region.backing,
      bytes: segment.layout.bytes,
      redo: finished ? 'finished' : 'none',
      recovery_ms: runner.stats.values[recoveryMs],
      thread: runner.isDedicated ? 'dedicated' : 'shared',
    });
    this.#every(config.counter_sample_ms, () => this.#sample());
    this.#every(config.liveness_check_ms, () => {
      if (this.#serving !== undefined) probeSeats(this.#serving, host.telemetry);
    });
    if (next === undefined) return;
    logger.info('roll goes on', { segment: segment.name, generation: next.segment.generation });
    this.#rolling = true;
    void this.#finishRoll(serving, next, true);
  }

  /** From here on this is the segment that is served. */
  #adopt(segment: Segment, runner: RouterRunner, origin: Serving['origin'], tuning: readonly TuningNote[]): Serving {
    const { host } = this;
    const counters = new Counters(segment, host.clock);
    const recent = new Recent(counters, segment.layout.sizes);
    recent.tick(host.clock.now());
    void runner.ended.then(
      () => undefined,
      (error: unknown) => this.#stopped.reject(asEngineError(error)),
    );
    this.#lastBusy = { at: host.clock.now(), polls: 0, busy: 0 };
    this.#serving = {
      segment,
      runner,
      origin,
      counters,
      recent,
      prober: new SeatProber(segment, host.clock, host.telemetry),
      findings: new Map(),
      tuning: [...segment.region.tuning(), ...tuning],
      busyRatio: 0,
    };
    return this.#serving;
  }

  /** Tells the router of the subscriptions that the configuration has. */
  async #declare(): Promise<void> {
    const { segment, runner } = this.bus;
    for (const { name, ...body } of this.config.subscriptions) {
      const subscription = subscriptionOf(name, body, segment.layout.sizes.laneRing);
      const known = findSubscription(segment, name);
      if (JSON.stringify(known) === JSON.stringify(subscription)) continue;
      await runner.apply({ do: 'put-subscription', subscription });
    }
  }

  #every(ms: Millis, run: () => void): void {
    const { signal } = this.#closing;
    const loop = async (): Promise<void> => {
      while (!signal.aborted) {
        run();
        await this.host.clock.sleep(ms, signal).catch(() => undefined);
      }
    };
    void loop().catch((error: unknown) => this.#stopped.reject(error));
  }

  #sample(): void {
    const serving = this.#serving;
    if (serving === undefined) return;
    serving.counters.tick();
    const { values } = serving.runner.stats;
    const now = this.host.clock.now();
    serving.recent.tick(now);
    const polls = values[LoopStat.polls] ?? 0;
    const busy = values[LoopStat.busyPolls] ?? 0;
    const last = this.#lastBusy;
    if (now - last.at < busyWindowMs) return;
    serving.busyRatio = polls > last.polls ? (busy - last.busy) / (polls - last.polls) : 0;
    this.#lastBusy = { at: now, polls, busy };
  }

  /** Takes over what can change while running. */
  reload(next: IndexbusConfig): { readonly applied: readonly string[]; readonly needRestart: readonly string[] } {
    const result = reloadInto(this.config, next);
    const { logger } = this.host.telemetry;
    const { runner } = this.#serving ?? {};
    if (runner !== undefined && result.applied.length > 0) {
      const change = async (): Promise<void> => {
        const { router_batch_size: batchSize, router_poll_interval_us: pollIntervalUs } = this.config;
        await runner.apply({ do: 'change-router', batchSize, pollIntervalUs, spinUs: this.spinUs });
        await this.#declare();
      };
      change().catch((error: unknown) => {
        logger.error('part of the configuration was refused', {
          reason: error instanceof Error ? error.message : String(error),
        });
      });
    }
    return result;
  }

  /** Refuses joiners, lets the router take what producers have flushed, and ends. Nothing in lanes is lost: the next router has it. */
  async drain(): Promise<{ readonly unfinished: readonly string[] }> {
    this.#draining = true;
    const until = this.host.clock.now() + emptySourcesMs;
    while (this.#sourcesWaiting() && this.host.clock.now() < until) await this.host.clock.sleep(5);
    const unfinished = this.#sourcesWaiting() ? ['sources'] : [];
    await this.close();
    return { unfinished };
  }

  /** Builds the next generation of the segment with new sizes. */
  async roll(body: SizesBody): Promise<{ readonly segment: string; readonly generation: number }> {
    const old = this.bus;
    const { host, config } = this;
    const { segment: former } = old;
    if (this.#rolling) throw new BusError('IB_UNSAFE_CHANGE', `${former.name} is being rolled: wait until it is over`);
    const sizes = successorSizes(former, body, config.router_batch_size);
    checkNothingWaits(former);
    this.#rolling = true;
    try {
      const segment = await buildSuccessor(placeOf(host, config), former, sizes);
      const { runner, tuning } = await this.#starter.startRouter(segment);
      void this.#finishRoll(old, { segment, runner, tuning });
      return { segment: segment.name, generation: segment.generation };
    } catch (error) {
      this.#rolling = false;
      throw error;
    }
  }

  /** @param resumed whether the configuration may have changed since the roll began */
  async #finishRoll(old: Serving, next: Waiting, resumed = false): Promise<void> {
    try {
      await seeThrough(this.host, old, next, this.#closing.signal);
      if (this.#closing.signal.aborted) {
        // The next router finds both generations and goes on.
        await next.runner.stop();
        next.segment.region.close();
        return;
      }
      this.#adopt(next.segment, next.runner, 'made', next.tuning);
      this.tallies.retired.rolled += 1;
      this.host.telemetry.logger.info('rolled', { segment: next.segment.name, generation: next.segment.generation });
      await old.runner.stop();
      old.segment.region.close();
      await removeFormer(placeOf(this.host, this.config));
      if (resumed) await this.#declare();
    } catch (error) {
      this.#stopped.reject(asEngineError(error));
    } finally {
      this.#rolling = false;
    }
  }

  /** Marks the segment as draining for the operator, and ends the process once sources and lanes are empty. */
  async drainForGood(): Promise<void> {
    await this.bus.runner.apply({ do: 'drain' });
    this.#draining = true;
    const { signal } = this.#closing;
    const wait = async (): Promise<void> => {
      while (!signal.aborted && (this.#serving?.counters.queueDepth ?? 0) > 0) {
        await this.host.clock.sleep(20, signal).catch(() => undefined);
      }
      await this.close();
    };
    void wait().catch((error: unknown) => this.#stopped.reject(error));
  }

  #sourcesWaiting(): boolean {
    const serving = this.#serving;
    if (serving === undefined) return false;
    serving.counters.tick();
    const { producers } = serving.segment.layout.sizes;
    for (let producer = 0; producer < producers; producer += 1) {
      if (serving.counters.producer(producer).depth > 0) return true;
    }
    return false;
  }

  /** Ends between two polls and lets go of the lock. */
  async close(): Promise<void> {
    await this.#end();
    this.#stopped.resolve();
  }

  async #end(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(new Error('the router ends'));
    this.#reports?.close();
    const serving = this.#serving;
    this.#serving = undefined;
    await serving?.runner.stop().catch(() => undefined);
    serving?.segment.region.close();
    this.#lock?.release();
  }
}
