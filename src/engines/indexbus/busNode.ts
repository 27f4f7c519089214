import type { Millis } from '../../host/clock.ts';
import type { Host } from '../../host/host.ts';
import type { DaemonServices } from '../engine.ts';
import { EngineError } from '../engine.ts';
import type { AgentView } from './agents.ts';
import { asEngineError, otherSizes, placeOf, routerHeld } from './bringUp.ts';
import { type IndexbusConfig, type RollBody, reloadInto, routerIdOf, sizesOf } from './config.ts';
import type { Counters } from './counters.ts';
import { declareSubscriptions, sayDeclared } from './declare.ts';
import { BusError } from './errors.ts';
import { LoopStat } from './loopStats.ts';
import type { ControlPlaneState } from './report.ts';
import { beingRolled, Roller, type RollView } from './roller.ts';
import type { Routed } from './rolling.ts';
import { openRouterLock, type RouterLock } from './routerLock.ts';
import { hearNews } from './routerNews.ts';
import { changeRouters, type GivenSettings, routerChangeOf } from './routerSettings.ts';
import { RouterStarter } from './routerStarter.ts';
import { SelfReport } from './selfReport.ts';
import { type BegunServing, type NodeTallies, type Serving, servingOf } from './serving.ts';
import { waitForLock } from './standby.ts';
import { UnderWay } from './underWay.ts';
import { keepUp } from './upkeep.ts';

/** How long an end waits for the sources to be empty. */
const emptySourcesMs: Millis = 2_000;

/**
 * The router's process: holds the lock, has the segment and its router, looks at the holders of seats, and carries out what operators ask. Until it
 * has the lock it is a standby, and has no segment. The lock is the last thing that it lets go: whatever changes names or routes is in `#underWay` or
 * is the starter's, and has ended by then.
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
  readonly #roller: Roller;
  readonly #reports: SelfReport;
  readonly #stopped = Promise.withResolvers<void>();
  readonly #closing = new AbortController();
  readonly #underWay = new UnderWay();
  #serving: Serving | undefined;
  #lock: RouterLock | undefined;
  #draining = false;
  #ended: Promise<void> | undefined;

  constructor(host: Host, config: IndexbusConfig, services: DaemonServices) {
    this.host = host;
    this.config = config;
    this.#services = services;
    this.routerId = routerIdOf(config, host.name);
    this.version = services.version ?? '0';
    this.#stopped.promise.catch(() => undefined);
    this.#reports = new SelfReport(host, config, this, () => this.#serving);
    this.#starter = new RouterStarter(host, config, services, this.tallies, (segment, news) =>
      hearNews(
        segment,
        news,
        { serving: this.#serving, building: this.#roller.building },
        this.tallies,
        host.telemetry,
      ),
    );
    this.#roller = new Roller({
      host,
      config,
      starter: this.#starter,
      underWay: this.#underWay,
      signal: this.#closing.signal,
      beside: (next) => servingOf(host, { ...next, origin: 'made' }, this.tallies),
      adopt: (next, findings) => {
        this.tallies.retired.rolled += 1;
        return this.#adopt({ ...next, origin: 'made', findings });
      },
      onFailure: (error) => this.#fail(error),
    });
  }

  /** Settles when the node ends: rejects where it cannot go on. */
  get stopped(): Promise<void> {
    return this.#stopped.promise;
  }

  /** The segment and its router; undefined while another router has it. */
  get serving(): Serving | undefined {
    return this.#serving;
  }

  /** The segment and its router. @throws BusError IB_NO_ROUTER while it is a standby, or ends */
  get bus(): Serving {
    if (this.#serving !== undefined) return this.#serving;
    throw new BusError('IB_NO_ROUTER', `router ${this.routerId} ${this.#whyNot()}`);
  }

  /** What is served, and while a roll waits the generation that it builds, to which participants move one by one. Throws as `bus` */
  get generations(): readonly Serving[] {
    const { building } = this.#roller;
    return building === undefined ? [this.bus] : [this.bus, building];
  }

  /** Messages in all sources and lanes. Throws as `bus` */
  get queueDepth(): number {
    return this.generations.reduce((sum, { counters }) => sum + counters.queueDepth, 0);
  }

  /** Resolves when all who have moved amid a roll are set as they were before. */
  settingsCarried(): Promise<void> {
    return this.#roller.settingsCarried();
  }

  /** The control plane as it is seen from here; undefined: this router reports to nobody. */
  controlPlane(): ControlPlaneState | undefined {
    return this.#reports.controlPlane();
  }

  /** The routers that the control plane told of last; this one alone where there is none. */
  agents(): readonly AgentView[] {
    return this.#reports.agents();
  }

  get isDraining(): boolean {
    return this.#draining;
  }

  get services(): DaemonServices {
    return this.#services;
  }

  /** Why it serves nothing. */
  #whyNot(): string {
    if (this.#closing.signal.aborted) return 'ends: ask the one that routes next';
    if (this.#lock === undefined) return 'stands by: it has not begun';
    return `stands by: ${routerHeld(this.config.segment.name, this.#lock).message}`;
  }

  #fail(error: unknown): void {
    this.#stopped.reject(asEngineError(error));
  }

  /** Takes the lock and serves. A standby comes back at once and serves later. @throws EngineError IB_CLOSED where it is closed meanwhile */
  async start(): Promise<void> {
    try {
      const lock = await this.#underWay.begin(() => this.#begin());
      this.#checkGoesOn();
      this.#reports.start();
      if (lock !== undefined)
        this.#underWay.begin(() => this.#standBy(lock)).catch((error: unknown) => this.#fail(error));
    } catch (error) {
      await this.#end();
      throw asEngineError(error);
    }
  }

  /** Serves, or returns the lock that another router has. */
  async #begin(): Promise<RouterLock | undefined> {
    const { host, config } = this;
    const lock = await openRouterLock(host, placeOf(host, config), this.routerId);
    this.#lock = lock;
    this.#checkGoesOn();
    if (lock.take()) {
      // Before there is a segment. Whom another router holds off hears of that one, which has the address too.
      await this.#services.checkAddress?.();
      await this.#serve();
      return undefined;
    }
    if (!config.standby) throw routerHeld(config.segment.name, lock);
    const { pid, routerId } = lock.holder();
    host.telemetry.logger.info('standby', { segment: config.segment.name, pid, router_id: routerId });
    return lock;
  }

  async #standBy(lock: RouterLock): Promise<void> {
    const { signal } = this.#closing;
    try {
      if (await waitForLock(this.host, lock, signal)) await this.#serve();
    } catch (error) {
      // Whoever closes it knows that it ends.
      if (!signal.aborted) throw error;
    }
  }

  #checkGoesOn(): void {
    if (!this.#closing.signal.aborted) return;
    throw new BusError('IB_CLOSED', `router ${this.routerId} was closed while it came up: nothing was lost`);
  }

  async #serve(): Promise<void> {
    const { host, config } = this;
    const { logger } = host.telemetry;
    const broughtUp = await this.#starter.bringUp();
    this.#checkGoesOn();
    const { segment, runner, origin, next } = broughtUp;
    const { redoFinished, recoveryMs } = LoopStat;
    const finished = runner.stats.values[redoFinished] === 1;
    this.tallies.recoveries[finished ? 'finished' : 'none'] += 1;
    const serving = this.#adopt(broughtUp);
    // At once: HTTP answers already, and another roll would be built over the former generation.
    const goOn = next === undefined ? undefined : this.#roller.takeOver(serving, next);
    // The configuration is for those who come.
    const taker = next?.segment ?? segment;
    for (const given of otherSizes(taker, sizesOf(config))) logger.warn('segment differs, roll it', { given });
    const refused = serving.tuning.filter(({ reason }) => reason !== '');
    for (const row of refused) logger.warn('machine', { ...row });
    if (config.strict && refused.length > 0) {
      const names = refused.map(
        ({ name, requested, applied, reason }) => `${name}: ${requested} asked, ${applied}, ${reason}`,
      );
      throw new EngineError('IB_NOT_PERMITTED', 77, `the machine refuses what is asked of it: ${names.join('; ')}`);
    }
    await this.#declare(() => serving);
    this.#checkGoesOn();
    sayDeclared(taker);
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
    const { signal } = this.#closing;
    const upkeep = this.#underWay.begin(() =>
      keepUp(
        host,
        config,
        () => this.#serving,
        () => this.#roller.building,
        signal,
      ),
    );
    upkeep.catch((error: unknown) => this.#fail(error));
    if (segment.region.backing === 'memfd') {
      const loses = 'messages that wait when this router and all participants have ended';
      logger.warn('memory ends with its last holder', { segment: segment.name, backing: 'memfd', loses });
    }
    if (next === undefined || goOn === undefined) return;
    logger.info('roll goes on', { segment: segment.name, generation: next.segment.generation });
    goOn();
  }

  /** From here on this is the segment that is served. */
  #adopt(broughtUp: BegunServing): Serving {
    void broughtUp.runner.ended.then(
      () => undefined,
      (error: unknown) => this.#fail(error),
    );
    this.#serving = servingOf(this.host, broughtUp, this.tallies, this.#serving);
    return this.#serving;
  }

  /** Takes over what can change while running. */
  reload(next: IndexbusConfig): { readonly applied: readonly string[]; readonly needRestart: readonly string[] } {
    const serving = this.#serving;
    // A router that runs may refuse how it is to poll: until it has taken that over, the configuration says what it has.
    const result = reloadInto(this.config, next, serving === undefined ? next : this.config);
    if (serving !== undefined) this.#apply(serving, next);
    return result;
  }

  /** Tells the router of a configuration that was read anew. What it refuses of that keeps nothing else from being as it says. */
  #apply(serving: Serving, { router_batch_size, router_poll_interval_us, router_spin_us }: IndexbusConfig): void {
    const parts = [
      () => this.changeRouter(serving, { router_batch_size }),
      () => this.changeRouter(serving, { router_poll_interval_us, router_spin_us }),
      () => this.#declare(() => this.bus),
    ];
    for (const part of parts) {
      this.#underWay.begin(part).catch((error: unknown) => {
        this.host.telemetry.logger.error('part of the configuration was refused', {
          reason: error instanceof Error ? error.message : String(error),
        });
      });
    }
  }

  /** Declares the subscriptions of the configuration in the generation of `taker`. */
  #declare(serving: () => Serving): Promise<void> {
    const { config, host } = this;
    return this.#roller.change(serving, (taker) => declareSubscriptions(taker, config, host.telemetry.logger));
  }

  /** The generation that those come to who come now: topics and subscriptions are read and changed there. Throws as `bus` */
  taker(): Promise<Routed> {
    return this.#roller.taker(() => this.bus);
  }

  /** Changes how what is served is polled, and the generation that a roll builds; the next ones begin so. Rejects as `changeRouters`. */
  async changeRouter(serving: Serving, given: GivenSettings): Promise<void> {
    const taker = await this.#roller.taker(() => serving);
    await changeRouters(
      serving,
      taker,
      routerChangeOf(given, (spin) => this.#starter.spinUsOf(spin)),
    );
    Object.assign(this.config, given);
  }

  /** Refuses joiners, lets the router take what producers have flushed, and ends. Nothing in lanes is lost: the next router has it. */
  async drain(): Promise<{ readonly unfinished: readonly string[] }> {
    this.#draining = true;
    const until = this.host.clock.now() + emptySourcesMs;
    while ((await this.#sourcesWait()) && this.host.clock.now() < until) await this.host.clock.sleep(5);
    const unfinished = (await this.#sourcesWait()) ? ['sources'] : [];
    await this.close();
    return { unfinished };
  }

  /** Builds the next generation of the segment with new sizes. @throws BusError as `Roller.roll`, and IB_UNSAFE_CHANGE while it drains */
  async roll(body: RollBody): Promise<{ readonly segment: string; readonly generation: number }> {
    const { segment } = this.bus;
    if (this.#draining) {
      const message = `${segment.name} is being drained: nobody would route its next generation; roll it when a router has it again`;
      throw new BusError('IB_UNSAFE_CHANGE', message, { expected: 'no drain', got: 'a drain under way' });
    }
    return this.#roller.roll(this.bus, body);
  }

  /** The roll that is under way; undefined: none. */
  rolling(): RollView | undefined {
    return this.#roller.view();
  }

  /** Whether a roll is under way, from the first moment on. */
  get isRolling(): boolean {
    return this.#roller.isRolling;
  }

  /**
   * Marks the segment as draining for the operator, and ends the process once sources and lanes are empty. Rejects with IB_UNSAFE_CHANGE while it is rolled:
   * what producers publish meanwhile is in the next generation.
   */
  async drainForGood(): Promise<void> {
    const { segment, runner } = this.bus;
    if (this.isRolling) throw beingRolled(segment.name, 'drain it when the roll is over');
    // No roll begins from here on.
    this.#draining = true;
    await runner.apply({ do: 'drain' }).catch((error: unknown) => {
      this.#draining = false;
      throw error;
    });
    this.#underWay
      .begin(() => this.#emptied())
      .then(() => this.close())
      .catch((error: unknown) => this.#fail(error));
  }

  /** Resolves when no message is left, or the node ends. */
  async #emptied(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted && ((await this.#countersNow())?.queueDepth ?? 0) > 0) {
      await this.host.clock.sleep(20, signal).catch(() => undefined);
    }
  }

  async #sourcesWait(): Promise<boolean> {
    const counters = await this.#countersNow();
    if (counters === undefined) return false;
    for (let producer = 0; producer < counters.producers; producer += 1) {
      if (counters.producer(producer).depth > 0) return true;
    }
    return false;
  }

  /** The counters of what is served, of a cut that is made now: what was flushed since the last one is in it. */
  async #countersNow(): Promise<Counters | undefined> {
    const serving = this.#serving;
    // The router's end is told elsewhere.
    await serving?.runner.apply({ do: 'sample' }).catch(() => undefined);
    serving?.counters.tick();
    return serving?.counters;
  }

  /** Ends between two polls and lets go of the lock. Resolves, however often it is called, when nothing of the node runs any more. */
  async close(): Promise<void> {
    await this.#end();
    this.#stopped.resolve();
  }

  #end(): Promise<void> {
    this.#ended ??= this.#letGo();
    return this.#ended;
  }

  async #letGo(): Promise<void> {
    this.#closing.abort(new Error('the router ends'));
    this.#serving = undefined;
    this.#reports.close();
    await this.#underWay.settled();
    await this.#starter.end();
    // The next router is there at once.
    this.#lock?.release();
  }
}
