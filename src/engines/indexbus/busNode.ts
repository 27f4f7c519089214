import type { Millis } from '../../host/clock.ts';
import type { Host } from '../../host/host.ts';
import type { DaemonServices } from '../engine.ts';
import { EngineError } from '../engine.ts';
import type { AgentReport, AgentView } from './agents.ts';
import { asEngineError, claimSegment, otherSizes, placeOf, routerHeld } from './bringUp.ts';
import type { RouterCommand } from './commands.ts';
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
import {
  DetachReason,
  Header,
  Seat,
  type SegmentSizes,
  SegmentState,
  seatNameBytes,
  subscriptionsMax,
} from './layout.ts';
import { type SeatFinding, SeatProber } from './liveness.ts';
import { LoopStat, loopStats } from './loopStats.ts';
import { Recent } from './recent.ts';
import { type ControlPlaneState, type ReportClient, startReports } from './report.ts';
import { type Routed, seeThrough } from './rolling.ts';
import { openRouterLock, type RouterLock } from './routerLock.ts';
import type { RouterNews, RouterRunner, RouterSetup } from './routerRunner.ts';
import { serveRouterHere } from './routerServe.ts';
import { startRouterThread, type TuningNote } from './routerThread.ts';
import { holderOf, type SeatPlace, seatPlace } from './seatPlaces.ts';
import { formerPlace, removeFormer, restoreFormer, type Segment, type SegmentPlace } from './segment.ts';
import { readSubscription } from './subscriptions.ts';
import { buildSuccessor } from './successor.ts';
import { readText } from './texts.ts';
import { readTopics } from './topics.ts';

/** How often a standby asks for the lock: the kernel tells nobody that it is free. */
const standbyLookMs: Millis = 4;
/** How long an end waits for the sources to be empty. */
const emptySourcesMs: Millis = 2_000;
/** Share of polls with work is taken over this span. */
const busyWindowMs: Millis = 1_000;

/** Why consumers left, with how many. */
export type DetachCounts = Record<Exclude<keyof typeof DetachReason, 'none'>, number>;

/** A segment that this process routes. */
export interface Serving {
  readonly segment: Segment;
  readonly runner: RouterRunner;
  readonly counters: Counters;
  readonly recent: Recent;
  readonly prober: SeatProber;
  /** What was last found of each seat that somebody holds, by its number among all. */
  findings: ReadonlyMap<number, SeatFinding>;
  readonly tuning: readonly TuningNote[];
  /** Share of the last second's polls that had work. */
  busyRatio: number;
  readonly origin: 'made' | 'found' | 'replaced';
}

/** A router that runs, and what the machine refused it. */
interface Started {
  readonly runner: RouterRunner;
  readonly tuning: readonly TuningNote[];
}

/** A generation that waits until the one before is empty. */
interface Waiting extends Routed, Started {}

/** What a process has in hand when it begins to route. */
interface BroughtUp extends Pick<Serving, 'segment' | 'runner' | 'origin' | 'tuning'> {
  /** Of a roll that a router before did not end. */
  readonly next?: Waiting;
}

/** What happened to segments since the process began. */
export interface NodeTallies {
  readonly detaches: DetachCounts;
  readonly recoveries: { none: number; finished: number };
  readonly retired: { corrupt: number; rolled: number };
}

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
    const { segment, runner, origin, tuning, next } = await this.#bringUp();
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
    this.#every(config.liveness_check_ms, () => this.#probe());
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

  /** The segment with a router on it. What is too damaged to go on with is replaced by its next generation. */
  async #bringUp(): Promise<BroughtUp> {
    for (let tries = 0; ; tries += 1) {
      const { segment, origin, former } = await claimSegment(this.host, this.config);
      if (former !== undefined) {
        const both = await this.#bringUpBoth(former, segment);
        if (both !== undefined) return both;
        continue;
      }
      // A drain was its former router's; a new one takes participants.
      // And nobody is left who could wait for the generation before.
      const { draining, open, waiting } = SegmentState;
      Atomics.compareExchange(segment.words, Header.state, draining, open);
      Atomics.compareExchange(segment.words, Header.state, waiting, open);
      try {
        const { runner, tuning } = await this.#startRouter(segment);
        return { segment, runner, origin, tuning };
      } catch (error) {
        segment.region.close();
        if (!(error instanceof BusError) || error.code !== 'IB_CORRUPT' || tries > 0) throw error;
        this.tallies.retired.corrupt += 1;
        this.host.telemetry.logger.error('segment retired', { segment: segment.name, reason: error.message });
      }
    }
  }

  /** Both generations of a roll that a router before did not end; undefined where one is too damaged, and the other one now stands alone. */
  async #bringUpBoth(former: Segment, segment: Segment): Promise<BroughtUp | undefined> {
    const place = placeOf(this.host, this.config);
    const old = await this.#startUnlessCorrupt(former, formerPlace(place));
    const next = old === undefined ? undefined : await this.#startUnlessCorrupt(segment, place);
    if (old !== undefined && next !== undefined)
      return { segment: former, ...old, origin: 'found', next: { segment, ...next } };
    if (old === undefined) await removeFormer(place);
    else {
      await old.runner.stop();
      Atomics.store(former.words, Header.successor, 0);
      Atomics.store(former.words, Header.state, SegmentState.open);
      await restoreFormer(place);
    }
    former.region.close();
    segment.region.close();
    return undefined;
  }

  async #startUnlessCorrupt(segment: Segment, at: SegmentPlace): Promise<Started | undefined> {
    try {
      return await this.#startRouter(segment, at);
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'IB_CORRUPT') throw error;
      this.tallies.retired.corrupt += 1;
      this.host.telemetry.logger.error('segment retired', { segment: segment.name, reason: error.message });
      return undefined;
    }
  }

  async #startRouter(segment: Segment, at: SegmentPlace = placeOf(this.host, this.config)): Promise<Started> {
    const setup = this.#setup();
    const onNews = (news: RouterNews): void => this.#hear(segment, news);
    const { startThread } = this.#services;
    const isShared = segment.region.backing !== 'sab' && segment.region.backing !== 'sim';
    if (startThread === undefined || !isShared) {
      return { runner: serveRouterHere(segment, this.host, setup, onNews), tuning: [] };
    }
    const { shm: _, ...place } = at;
    const stats = loopStats();
    const calls = new SharedArrayBuffer(4);
    const cpu = this.config.router_cpu === 'none' ? undefined : this.config.router_cpu;
    const thread = startThread('indexbus-router', { place, setup, stats: stats.buffer, calls, cpu });
    const runner = await startRouterThread(thread, { calls, stats: stats.buffer }, segment, this.host, onNews);
    return { runner, tuning: runner.tuning };
  }

  #setup(): RouterSetup {
    const { config } = this;
    return {
      options: {
        batchSize: config.router_batch_size,
        noSubscriber: config.no_subscriber,
        counterSampleMs: config.counter_sample_ms,
        autoCreate: config.topics.auto_create,
      },
      loop: { pollIntervalUs: config.router_poll_interval_us, spinUs: this.spinUs },
    };
  }

  /** `router_spin_us`, `auto` resolved: with fewer cores than spinning threads, spinning takes their time from those that work. */
  get spinUs(): number {
    const { router_spin_us: spin } = this.config;
    if (spin !== 'auto') return spin;
    return (this.#services.cores ?? 1) > 2 ? 20 : 0;
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

  #probe(): void {
    const serving = this.#serving;
    if (serving === undefined) return;
    const { logger } = this.host.telemetry;
    const findings = new Map<number, SeatFinding>();
    for (const finding of serving.prober.probe()) {
      findings.set(finding.seat.index, finding);
      const { verdict, proof } = finding.judgement;
      if (verdict === 'alive') continue;
      const { seat, epoch, holder, state } = finding;
      const before = serving.findings.get(seat.index);
      if (before?.judgement.verdict !== verdict || before.epoch !== epoch) {
        logger.warn(`holder ${verdict}`, { kind: seat.kind, seat: seat.number, state, proof, ...holder });
      }
      const command: RouterCommand = {
        do: verdict === 'dead' ? 'peer-dead' : 'peer-doubtful',
        seat: seat.index,
        epoch,
      };
      // The router's end is told elsewhere.
      void serving.runner.apply(command).catch(() => undefined);
    }
    serving.findings = findings;
  }

  #hear(segment: Segment, news: RouterNews): void {
    const { logger } = this.host.telemetry;
    if (news.news === 'join-refused') logger.warn('join refused', { seat: news.seat, reason: news.reason });
    if (news.news === 'lane-ended') {
      const reason = reasonName(news.reason);
      this.tallies.detaches[reason] += 1;
      this.#serving?.counters.detached();
      const place = seatPlace(segment.layout, 'consumer', news.lane);
      const { position, unread } = news;
      const proof = this.#serving?.findings.get(place.index)?.judgement.proof;
      const fields = { lane: news.lane, ...who(segment, place), reason, proof, position, unread };
      if (reason === 'graceful') logger.info('lane.detached', fields);
      else logger.warn('lane.detached', fields);
    }
    if (news.news === 'lane-freed') {
      const lane = this.#serving?.counters.lane(news.lane);
      logger.info('lane.freed', {
        lane: news.lane,
        requeued_total: lane?.requeuedOut,
        lost_total: lane?.droppedDetached,
      });
    }
    if (news.news === 'producer-ended') {
      const place = seatPlace(segment.layout, 'producer', news.producer);
      logger.info('producer.ended', {
        producer: news.producer,
        ...who(segment, place),
        reason: reasonName(news.reason),
      });
    }
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
    const given = former.layout.sizes;
    const sizes: SegmentSizes = {
      producers: body.producers_max ?? given.producers,
      lanes: body.lanes_max ?? given.lanes,
      slots: body.slots_per_producer ?? given.slots,
      laneRing: body.lane_ring ?? given.laneRing,
      slotBytes: body.slot_bytes ?? given.slotBytes,
      topics: body.topics_max ?? given.topics,
    };
    if (sizes.slots <= 2 * config.router_batch_size) {
      throw new BusError('IB_BAD_CONFIG', `slots_per_producer: expected more than two batches, got ${sizes.slots}`);
    }
    const topics = readTopics(former.region, former.layout).size;
    if (sizes.topics < topics)
      throw new BusError('IB_BAD_CONFIG', `topics_max: there are ${topics}, got ${sizes.topics}`);
    this.#rolling = true;
    try {
      const segment = await buildSuccessor(placeOf(host, config), former, sizes);
      const { runner, tuning } = await this.#startRouter(segment);
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

/** A subscription that the segment has. */
export function findSubscription(segment: Segment, name: string) {
  for (let record = 0; record < subscriptionsMax; record += 1) {
    const stored = readSubscription(segment.region, segment.layout, record);
    if (stored?.subscription.name === name) return stored.subscription;
  }
  return undefined;
}

function reasonName(reason: number): keyof DetachCounts {
  const names: readonly (keyof DetachCounts)[] = ['graceful', 'dead', 'stalled', 'operator', 'corrupt'];
  return names.find((name) => DetachReason[name] === reason) ?? 'corrupt';
}

/** Who has, or had, a seat. */
function who(segment: Segment, { at }: SeatPlace) {
  const { pid, startTicks } = holderOf(segment.words, at);
  return { name: readText(segment.bytes, at + Seat.name, seatNameBytes), pid, start_ticks: startTicks };
}
