import type { Clock } from '../../host/clock.ts';
import type { Telemetry } from '../../host/telemetry.ts';
import type { RouterCommand } from './commands.ts';
import { Commit } from './commit.ts';
import { Endings } from './endings.ts';
import { type LaneParts, Lanes } from './lanes.ts';
import { LaneLife } from './laneTable.ts';
import {
  cursorWords,
  DetachReason,
  Header,
  LaneCursor,
  ProducerCursor,
  Seat,
  SegmentState,
  seatWords,
} from './layout.ts';
import { type IndexbusMutantFlags, plantedIn } from './mutants.ts';
import type { RouterObserver } from './observer.ts';
import { PeerWakes } from './peerWakes.ts';
import { Placing } from './placing.ts';
import { PoolShares } from './poolShares.ts';
import { type RecoveryReport, recover, recovered, startNearWrap } from './recovery.ts';
import { checkBatch, RouterCommands, seatStateOf } from './routerCommands.ts';
import { defaultRouterOptions, type RouterEvents, type RouterOptions, type RouterParts } from './routerParts.ts';
import { RouterSeats } from './routerSeats.ts';
import { Routing } from './routing.ts';
import { Sampler } from './sample.ts';
import { stateOf } from './seat.ts';
import type { Segment } from './segment.ts';
import { SlotCounts } from './slotCounts.ts';
import { SourceEndings } from './sourceEndings.ts';
import { SourceLife, Sources } from './sources.ts';
import { endStalled } from './stalled.ts';

export interface RouterDependencies {
  readonly clock: Clock;
  readonly telemetry: Pick<Telemetry, 'sometimes' | 'buggify' | 'mutant'>;
  readonly options?: Partial<RouterOptions>;
  /** Seats that come and go: rare, always told. */
  readonly events?: RouterEvents;
  /** Each message: for tests and checkers. */
  readonly observer?: RouterObserver;
  /** Whether a lane's holder is proven dead: asked where the lane is about to be fenced, since it costs calls to the kernel. Default nobody is. */
  readonly isHolderDead?: (lane: number) => boolean;
}

/**
 * The one router of a segment: takes what producers have flushed, places it in the lanes of consumers, and sends slots home. One call of `poll` is
 * observe, plan, seal, apply, wake; what it has planned happens with one store, and whoever dies in between leaves all of it or nothing.
 *
 * Synchronous and without allocation in `poll`; the holder of the router's lock calls it in a loop, from one thread.
 */
export class Router {
  readonly segment: Segment;
  /** What it found. */
  readonly recovery: RecoveryReport;
  readonly lanes: Lanes;
  readonly sources: Sources;
  readonly routing: Routing;
  readonly counts: SlotCounts;
  readonly mutants: IndexbusMutantFlags;
  readonly #parts: RouterParts;
  readonly #words: Int32Array;
  readonly #commit: Commit;
  readonly #endings: Endings;
  readonly #sourceEndings: SourceEndings;
  readonly #seats: RouterSeats;
  readonly #shares: PoolShares;
  readonly #commands: RouterCommands;
  readonly #peers: PeerWakes;
  readonly #sampler: Sampler;
  readonly #observer: RouterObserver | undefined;
  readonly #clock: Clock;
  readonly #telemetry: RouterDependencies['telemetry'];
  readonly #isHolderDead: (lane: number) => boolean;
  #options: RouterOptions;
  #seatsBell: number;
  #seatsLeft = true;
  #held = false;
  #taken = 0;
  #sampledAt = Number.NEGATIVE_INFINITY;

  constructor(segment: Segment, dependencies: RouterDependencies) {
    const { clock, telemetry, options, events, observer } = dependencies;
    const { region, layout, words } = segment;
    this.segment = segment;
    this.#words = words;
    this.#clock = clock;
    this.#telemetry = telemetry;
    this.#observer = observer;
    this.#isHolderDead = dependencies.isHolderDead ?? (() => false);
    this.#options = { ...defaultRouterOptions, ...options };
    this.mutants = plantedIn(telemetry);
    const { producers, lanes, slots } = layout.sizes;
    checkBatch(this.#options.batchSize, slots);
    this.counts = new SlotCounts(producers, lanes, slots);
    if (Atomics.load(words, Header.routerEpoch) === 0 && telemetry.buggify('start-near-wrap')) startNearWrap(segment);
    this.#commit = new Commit(region, layout, this.mutants);
    this.recovery = recover(segment, this.#commit, this.mutants);
    const laneParts: LaneParts = {
      region,
      layout,
      commit: this.#commit,
      counts: this.counts,
      mutants: this.mutants,
      observer,
    };
    this.lanes = new Lanes(laneParts);
    const placing = new Placing(this.lanes, this.#commit, this.mutants, observer);
    this.sources = new Sources(laneParts, this.lanes, placing);
    this.#adoptLanes();
    this.routing = new Routing(
      region,
      layout,
      this.#commit,
      this.lanes,
      {
        live: (lane) => this.lanes.life[lane] === LaneLife.live,
        done: (lane) => this.lanes.done(lane),
        tail: (lane) => this.lanes.tail[lane] ?? 0,
      },
      this.mutants,
    );
    this.#parts = {
      ...laneParts,
      segment,
      clock,
      telemetry,
      events: events ?? {},
      lanes: this.lanes,
      placing,
      sources: this.sources,
      routing: this.routing,
    };
    this.#shares = new PoolShares(
      this.#parts,
      () => this.#options.batchSize,
      () => this.#commitPending(),
    );
    this.#endings = new Endings(this.#parts);
    this.#sourceEndings = new SourceEndings(this.#parts);
    this.#seats = new RouterSeats(this.#parts, this.#endings, this.#sourceEndings, {
      autoCreate: this.#options.autoCreate,
      shareWith: (lane) => this.#shares.shareWith(lane),
      fitShares: (share) => this.#shares.fit(share),
      shareOut: () => this.#shares.shareOut(),
      commit: () => this.#commitPending(),
    });
    this.#commands = new RouterCommands(this.#parts, this.#endings, this.#sourceEndings, this.#shares, (change) => {
      this.#options = { ...this.#options, ...change };
    });
    this.#peers = new PeerWakes(this.#parts);
    this.#sampler = new Sampler(segment, this.lanes, this.sources);
    if (this.mutants.cutMidCommit) this.#commit.midway = () => this.#sampler.cut();
    this.#adoptEndings();
    this.#adoptProducers();
    this.#shares.recover();
    this.#seatsBell = Atomics.load(words, Header.seatsBell);
    this.sources.suspectAll();
    this.#peers.wakeAll();
    recovered(segment, this.recovery.epoch);
    telemetry.sometimes('redo finished by a successor', this.recovery.redo === 'finished');
    telemetry.sometimes('frozen head thawed', this.recovery.thawed > 0);
    telemetry.sometimes('recovery crashed and recovered', this.recovery.again);
  }

  /** Lanes as the seats tell them. */
  #adoptLanes(): void {
    for (let lane = 0; lane < this.lanes.count; lane += 1) {
      const state = stateOf(this.#words[this.#laneSeat(lane)] ?? 0);
      this.lanes.readSeat(lane);
      this.lanes.reload(lane);
      if (state === undefined) continue;
      const isLive = state === 'live' || state === 'leaving';
      if (isLive) this.#forgetBacklog(lane);
      const isTaken = isLive || !(state === 'free' || state === 'claimed' || state === 'ready');
      if (!isTaken && this.#laneCursor(lane, LaneCursor.backlog) === 0) continue;
      this.lanes.setLife(lane, isLive ? LaneLife.live : LaneLife.ending);
      this.lanes.recount(lane);
    }
  }

  #laneCursor(lane: number, word: number): number {
    return this.#words[this.segment.layout.laneCursors + lane * cursorWords + word] ?? 0;
  }

  /** A predecessor died after a consumer had taken the lane over, before it noted so. */
  #forgetBacklog(lane: number): void {
    if (this.#laneCursor(lane, LaneCursor.backlog) === 0) return;
    const at = this.segment.layout.laneCursors + lane * cursorWords;
    Atomics.store(this.#words, at + LaneCursor.endingOrder, 0);
    Atomics.store(this.#words, at + LaneCursor.backlog, 0);
    this.lanes.readSeat(lane);
    this.lanes.reload(lane);
  }

  #adoptEndings(): void {
    const ending: number[] = [];
    for (let lane = 0; lane < this.lanes.count; lane += 1) {
      if (this.lanes.life[lane] === LaneLife.ending) ending.push(lane);
    }
    // Those whose head was not stopped yet ended last.
    const order = (lane: number): number => this.#endings.order(lane) || Number.POSITIVE_INFINITY;
    for (const lane of ending.sort((a, b) => order(a) - order(b))) this.#endings.resume(lane);
  }

  #adoptProducers(): void {
    for (let producer = 0; producer < this.sources.count; producer += 1) {
      const at = this.#producerSeat(producer);
      const state = stateOf(this.#words[at] ?? 0);
      if (state === undefined || state === 'free' || state === 'claimed' || state === 'ready') {
        // What a former holder flushed after it was fenced counts for nothing.
        this.sources.ends[producer] = 1;
        this.sources.endsAt[producer] = this.#sourceHead(producer);
        continue;
      }
      this.sources.setLife(producer, SourceLife.live);
      this.sources.setRate(producer, this.#words[at + Seat.capacityOrRate] ?? 0);
      if (state !== 'live' && state !== 'leaving') this.#sourceEndings.resume(producer);
    }
  }

  #laneSeat(lane: number): number {
    return this.segment.layout.laneSeats + lane * seatWords;
  }

  #producerSeat(producer: number): number {
    return this.segment.layout.producerSeats + producer * seatWords;
  }

  /** Sleepers woken: consumers, producers. */
  get wakes(): Float64Array {
    return this.#peers.counts;
  }

  get options(): RouterOptions {
    return this.#options;
  }

  /** One round. Returns how many messages were taken from sources. */
  poll(): number {
    const { lanes, sources } = this;
    Atomics.store(this.#words, Header.loops, ((this.#words[Header.loops] ?? 0) + 1) | 0);
    this.#readClock();
    if (this.#held) return this.#finishPoll(this.#taken);
    this.#lookAtSeats();
    lanes.late = this.#telemetry.buggify('return-late');
    if (!lanes.late) this.#observe();
    this.#checkCorrupt();
    if (this.#telemetry.buggify('bucket-move-storm')) this.routing.storm();
    const mayTake = this.mutants.requeueLast || !this.#endings.any || this.#endings.giveBack();
    this.#telemetry.sometimes('bucket switched lazily', this.routing.settle() > 0);
    sources.refill();
    if (!this.#telemetry.buggify('skip-doorbell-scan')) sources.listen();
    const budget = this.#telemetry.buggify('commit-one-message') ? 1 : this.#options.batchSize;
    const { noSubscriber } = this.#options;
    const taken = mayTake && !this.#isWaiting ? sources.take(budget, this.routing.routes, noSubscriber === 'hold') : 0;
    sources.clearLate();
    if (this.mutants.requeueLast && this.#endings.any) this.#endings.giveBack();
    this.#taken = taken;
    if (!this.#commit.empty && this.#telemetry.buggify('freeze-long')) {
      this.#held = true;
      return 0;
    }
    return this.#finishPoll(taken);
  }

  /** By itself, and not in the poll: a time that the compiler does not draw in where it is called is an object. */
  #readClock(): void {
    this.lanes.now = this.#clock.now();
  }

  #finishPoll(taken: number): number {
    this.#held = false;
    this.lanes.stageTails();
    if (!this.#commit.empty || this.#telemetry.buggify('commit-empty')) this.#commitNow(taken);
    this.#checkCorrupt();
    if (this.lanes.evictions > 0 || this.lanes.evictionsLost > 0) this.#tellEvictions();
    endStalled(this.lanes, this.#endings, this.#isHolderDead);
    this.#endings.finish();
    this.#sourceEndings.finish();
    this.#peers.wake();
    const { now } = this.lanes;
    if (now - this.#sampledAt >= this.#options.counterSampleMs || this.#telemetry.buggify('sample-each-commit')) {
      this.#sampledAt = now;
      this.#sampler.cut();
    }
    return taken;
  }

  #tellEvictions(): void {
    this.#telemetry.sometimes('eviction beat a receive', this.lanes.evictions > 0);
    this.#telemetry.sometimes('eviction lost to a receive', this.lanes.evictionsLost > 0);
    this.lanes.evictions = 0;
    this.lanes.evictionsLost = 0;
  }

  /** Commits so far. */
  commits = 0;

  #commitNow(taken: number): void {
    this.commits += 1;
    this.#commit.seal();
    this.#commit.apply();
    this.lanes.committed();
    if (this.#observer !== undefined) this.#observer.committed(taken);
  }

  #lookAtSeats(): void {
    const bell = Atomics.load(this.#words, Header.seatsBell);
    if (bell === this.#seatsBell && !this.#seatsLeft) return;
    this.#seatsBell = bell;
    this.#seatsLeft = !this.#seats.scan();
    this.#commitPending();
  }

  #observe(): void {
    const { lanes } = this;
    for (let index = 0; index < lanes.activeCount; index += 1) {
      const lane = lanes.active[index] ?? 0;
      if (lanes.life[lane] === LaneLife.live || this.#endings.watches(lane)) lanes.observe(lane);
    }
  }

  /** Fences whoever has written what cannot be. */
  #checkCorrupt(): void {
    const { corrupt } = this.lanes;
    const source = this.sources.corrupt;
    if (corrupt < 0 && source < 0) return;
    this.#commitPending();
    if (corrupt >= 0) {
      this.lanes.corrupt = -1;
      this.#endings.fence(corrupt, DetachReason.corrupt);
      this.#shares.shareOut();
    }
    if (source >= 0) {
      this.sources.corrupt = -1;
      const head = this.#sourceHead(source);
      if (!this.#sourceEndings.fence(source, DetachReason.corrupt, head)) this.#sourceEndings.cut(source, head);
    }
  }

  #sourceHead(producer: number): number {
    const { layout } = this.segment;
    return this.#words[layout.producerCursors + producer * cursorWords + ProducerCursor.sourceHead] ?? 0;
  }

  #commitPending(): void {
    this.lanes.stageTails();
    if (!this.#commit.empty) this.#commitNow(0);
  }

  /** Whether a poll would find something: the last look before the router sleeps. */
  hasWork(): boolean {
    if (this.#held || this.#seatsLeft) return true;
    if (Atomics.load(this.#words, Header.seatsBell) !== this.#seatsBell) return true;
    if (Atomics.load(this.#words, Header.doorbell) !== 0 || Atomics.load(this.#words, Header.doorbell + 1) !== 0) {
      return true;
    }
    for (let index = 0; index < this.lanes.activeCount; index += 1) {
      const lane = this.lanes.active[index] ?? 0;
      if (this.lanes.life[lane] === LaneLife.live && this.lanes.hasMoved(lane)) return true;
    }
    // What a successor has is looked at after each sleep: until its predecessor is empty, a poll takes none of it.
    return !this.#isWaiting && this.sources.hasWork();
  }

  /** A successor routes nothing before its predecessor is empty. */
  get #isWaiting(): boolean {
    return Atomics.load(this.#words, Header.state) === SegmentState.waiting;
  }

  /** To be called after a sleep: all sources are looked at, since a producer may have died before it rang. */
  slept(): void {
    this.sources.suspectAll();
  }

  /** Carries a command out, between two polls. Throws `BusError` where the segment does not allow it. */
  apply(command: RouterCommand): void {
    this.#commitPending();
    this.#held = false;
    if (command.do === 'sample') this.#sampler.cut();
    else this.#commands.apply(command);
    this.sources.lookAgain();
  }

  /** State of a seat, producers first, then lanes. */
  stateOf(seat: number): string {
    return seatStateOf(this.#parts, seat);
  }

  /** Ends what is under way; the segment stays for a successor. */
  close(): void {
    this.#commitPending();
    this.#held = false;
  }
}
