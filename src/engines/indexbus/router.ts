import type { Clock } from '../../host/clock.ts';
import type { Telemetry } from '../../host/telemetry.ts';
import { shareMin } from './admission.ts';
import type { LaneChange, RouterCommand } from './commands.ts';
import { Commit } from './commit.ts';
import { Endings } from './endings.ts';
import { BusError } from './errors.ts';
import { LaneLife, type LaneParts, Lanes } from './lanes.ts';
import {
  cursorWords,
  DetachReason,
  Header,
  LaneCursor,
  LaneMode,
  ProducerCursor,
  Seat,
  SegmentState,
  seatWords,
} from './layout.ts';
import { type IndexbusMutantFlags, plantedIn } from './mutants.ts';
import type { RouterObserver } from './observer.ts';
import { Placing } from './placing.ts';
import { Point } from './points.ts';
import { type RecoveryReport, recover, recovered, startNearWrap } from './recovery.ts';
import { defaultRouterOptions, type RouterEvents, type RouterOptions, type RouterParts } from './routerParts.ts';
import { RouterSeats } from './routerSeats.ts';
import { Routing } from './routing.ts';
import { Sampler } from './sample.ts';
import { epochOf, stateOf } from './seat.ts';
import { wake } from './seatChange.ts';
import type { Segment } from './segment.ts';
import { shareOf } from './shares.ts';
import { SlotCounts } from './slotCounts.ts';
import { SourceEndings } from './sourceEndings.ts';
import { SourceLife, Sources } from './sources.ts';

export interface RouterDependencies {
  readonly clock: Clock;
  readonly telemetry: Pick<Telemetry, 'sometimes' | 'buggify' | 'mutant'>;
  readonly options?: Partial<RouterOptions>;
  /** Seats that come and go: rare, always told. */
  readonly events?: RouterEvents;
  /** Each message: for tests and checkers. */
  readonly observer?: RouterObserver;
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
  readonly #sampler: Sampler;
  readonly #observer: RouterObserver | undefined;
  readonly #clock: Clock;
  readonly #telemetry: RouterDependencies['telemetry'];
  #options: RouterOptions;
  #seatsBell: number;
  #seatsLeft = true;
  #held = false;
  #taken = 0;
  #sampledAt = Number.NEGATIVE_INFINITY;
  /** Tails of lanes, and of return rings, whose owners were woken last. */
  readonly #wokenLanes: Int32Array;
  readonly #wokenProducers: Int32Array;
  /** Sleepers woken: consumers, producers. */
  readonly wakes = new Float64Array(2);
  #share = 0;

  constructor(segment: Segment, dependencies: RouterDependencies) {
    const { clock, telemetry, options, events, observer } = dependencies;
    const { region, layout, words } = segment;
    this.segment = segment;
    this.#words = words;
    this.#clock = clock;
    this.#telemetry = telemetry;
    this.#observer = observer;
    this.#options = { ...defaultRouterOptions, ...options };
    this.mutants = plantedIn(telemetry);
    const { producers, lanes, slots } = layout.sizes;
    this.#checkBatch(this.#options.batchSize, slots);
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
    this.#endings = new Endings(this.#parts);
    this.#sourceEndings = new SourceEndings(this.#parts);
    this.#seats = new RouterSeats(this.#parts, this.#endings, this.#sourceEndings, {
      autoCreate: this.#options.autoCreate,
      shareWith: (lane) => this.#shareWith(lane),
      fitShares: (share) => this.#fitShares(share),
      shareOut: () => this.#shareOut(),
    });
    this.#sampler = new Sampler(segment, this.lanes, this.sources);
    if (this.mutants.cutMidCommit) this.#commit.midway = () => this.#sampler.cut();
    this.#wokenLanes = new Int32Array(lanes);
    this.#wokenProducers = new Int32Array(producers);
    this.#adoptEndings();
    this.#adoptProducers();
    this.#shareOut();
    this.#seatsBell = Atomics.load(words, Header.seatsBell);
    this.sources.suspectAll();
    this.#wakeAll();
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
      if (state === undefined || state === 'free' || state === 'claimed' || state === 'ready') continue;
      this.lanes.setLife(lane, state === 'live' || state === 'leaving' ? LaneLife.live : LaneLife.ending);
      this.lanes.recount(lane);
    }
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

  get options(): RouterOptions {
    return this.#options;
  }

  /** One round. Returns how many messages were taken from sources. */
  poll(): number {
    const { lanes, sources } = this;
    Atomics.store(this.#words, Header.loops, ((this.#words[Header.loops] ?? 0) + 1) | 0);
    lanes.now = this.#clock.now();
    if (this.#held) return this.#finishPoll(this.#taken);
    this.#lookAtSeats();
    lanes.late = this.#telemetry.buggify('return-late');
    if (!lanes.late) this.#observe();
    this.#checkCorrupt();
    if (this.#telemetry.buggify('bucket-move-storm')) this.routing.storm();
    const mayTake = this.mutants.requeueLast || !this.#endings.any || this.#endings.giveBack();
    this.#telemetry.sometimes('bucket switched lazily', this.routing.settle() > 0);
    sources.refill(lanes.now);
    if (!this.#telemetry.buggify('skip-doorbell-scan')) sources.listen();
    const budget = this.#telemetry.buggify('commit-one-message') ? 1 : this.#options.batchSize;
    const { noSubscriber } = this.#options;
    // A successor routes nothing before its predecessor is empty.
    const mayRoute = mayTake && Atomics.load(this.#words, Header.state) !== SegmentState.waiting;
    const taken = mayRoute ? sources.take(budget, this.routing.routes, noSubscriber === 'hold') : 0;
    sources.clearLate();
    if (this.mutants.requeueLast && this.#endings.any) this.#endings.giveBack();
    this.#taken = taken;
    if (!this.#commit.empty && this.#telemetry.buggify('freeze-long')) {
      this.#held = true;
      return 0;
    }
    return this.#finishPoll(taken);
  }

  #finishPoll(taken: number): number {
    this.#held = false;
    this.lanes.stageTails();
    if (!this.#commit.empty || this.#telemetry.buggify('commit-empty')) this.#commitNow(taken);
    this.#checkCorrupt();
    if (this.lanes.evictions > 0 || this.lanes.evictionsLost > 0) this.#tellEvictions();
    this.#fenceStalled();
    this.#endings.finish();
    this.#sourceEndings.finish();
    this.#wake();
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

  #commitNow(taken: number): void {
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
      this.#shareOut();
    }
    if (source >= 0) {
      this.sources.corrupt = -1;
      this.#sourceEndings.fence(source, DetachReason.corrupt, this.#sourceHead(source));
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

  /** Fences lanes that have refused for too long without moving. */
  #fenceStalled(): void {
    const { lanes } = this;
    if (!lanes.refusing) return;
    lanes.refusing = false;
    for (let lane = 0; lane < lanes.count; lane += 1) {
      const since = lanes.refusesSince[lane] ?? -1;
      const limit = lanes.detachAfterMs[lane] ?? 0;
      if (since < 0 || limit === 0 || lanes.life[lane] !== LaneLife.live) continue;
      if (lanes.now - since < limit) lanes.refusing = true;
      else this.#endings.fence(lane, DetachReason.stalled);
    }
  }

  /** Wakes consumers whose lane has got something, and producers whose slots came home, if they sleep. */
  #wake(): void {
    const { layout, region } = this.segment;
    for (let index = 0; index < this.lanes.activeCount; index += 1) {
      const lane = this.lanes.active[index] ?? 0;
      const tail = this.lanes.tail[lane] ?? 0;
      if (tail === this.#wokenLanes[lane]) continue;
      this.#wokenLanes[lane] = tail;
      const at = layout.laneCursors + lane * cursorWords;
      region.step(Point.wakePeers);
      if (Atomics.load(this.#words, at + LaneCursor.sleeping) === 0) continue;
      wake(region, at + LaneCursor.wake);
      this.wakes[0] = (this.wakes[0] ?? 0) + 1;
    }
    for (let index = 0; index < this.sources.activeCount; index += 1) {
      const producer = this.sources.active[index] ?? 0;
      const at = layout.producerCursors + producer * cursorWords;
      const tail = this.#words[at + ProducerCursor.returnTail] ?? 0;
      if (tail === this.#wokenProducers[producer]) continue;
      this.#wokenProducers[producer] = tail;
      region.step(Point.wakePeers);
      if (Atomics.load(this.#words, at + ProducerCursor.waiting) === 0) continue;
      wake(region, at + ProducerCursor.wake);
      this.wakes[1] = (this.wakes[1] ?? 0) + 1;
    }
  }

  /** After a recovery: nobody sleeps over what a predecessor has committed and not told. */
  #wakeAll(): void {
    const { layout, region } = this.segment;
    for (let lane = 0; lane < this.lanes.count; lane += 1) {
      wake(region, layout.laneCursors + lane * cursorWords + LaneCursor.wake);
    }
    for (let producer = 0; producer < this.sources.count; producer += 1) {
      wake(region, layout.producerCursors + producer * cursorWords + ProducerCursor.wake);
    }
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
    return this.sources.hasWork();
  }

  /** To be called after a sleep: all sources are looked at, since a producer may have died before it rang. */
  slept(): void {
    this.sources.suspectAll();
  }

  #shareWith(lane: number): number {
    const minimal = this.#telemetry.buggify('share-minimal');
    return shareOf(this.lanes, this.segment.layout.sizes.slots, this.#options.batchSize, lane, minimal);
  }

  #shareOut(): void {
    this.#share = this.#shareWith(-1);
    this.lanes.setShare(this.#share);
  }

  /** Evicts what copy lanes that do not block have above a share. False if that has to go on later. */
  #fitShares(share: number): boolean {
    if (this.mutants.shareOff) return true;
    let evicted = false;
    let fits = true;
    const { lanes, counts } = this;
    for (let lane = 0; lane < lanes.count; lane += 1) {
      if (lanes.life[lane] !== LaneLife.live || lanes.blocking[lane] || lanes.view[lane]) continue;
      for (let producer = 0; producer < this.sources.count; producer += 1) {
        while (fits && counts.held(lane, producer) > share) {
          if (this.#commit.full || !lanes.evictOldest(lane)) fits = false;
          else evicted = true;
        }
      }
    }
    this.#commitPending();
    this.#telemetry.sometimes('join evicted others', evicted);
    return fits;
  }

  /** Carries a command out, between two polls. Throws `BusError` where the segment does not allow it. */
  apply(command: RouterCommand): void {
    this.#commitPending();
    this.#held = false;
    switch (command.do) {
      case 'change-lane':
        this.#changeLane(command.lane, command.change);
        break;
      case 'change-producer':
        this.#changeProducer(command.seat, command.creditLimit, command.rateLimit);
        break;
      case 'detach-lane':
        if (!this.#endings.fence(command.lane, DetachReason[command.reason])) this.#notLive('lane', command.lane);
        break;
      case 'fence-producer':
        if (!this.#sourceEndings.fence(command.seat, DetachReason.operator)) this.#notLive('producer', command.seat);
        break;
      case 'peer-dead':
        this.#peer(command.seat, command.epoch, true);
        break;
      case 'peer-doubtful':
        this.#peer(command.seat, command.epoch, false);
        break;
      case 'put-subscription':
        this.routing.put(command.subscription);
        this.sources.suspectAll();
        break;
      case 'delete-subscription':
        this.routing.delete(command.name);
        break;
      case 'create-topic':
        this.routing.createTopic(command.name);
        break;
      case 'change-router':
        if (command.batchSize !== undefined) this.#changeBatch(command.batchSize);
        break;
      case 'drain':
        Atomics.store(this.#words, Header.state, SegmentState.draining);
        break;
      case 'roll':
        // The daemon builds the next generation; this one takes no more joiners.
        Atomics.store(this.#words, Header.state, SegmentState.draining);
        break;
    }
  }

  #notLive(kind: string, seat: number): never {
    throw new BusError('IB_UNSAFE_CHANGE', `${kind} ${seat} is not live`, {
      expected: 'live',
      got: this.stateOf(kind === 'lane' ? this.sources.count + seat : seat),
    });
  }

  /** State of a seat, producers first, then lanes. */
  stateOf(seat: number): string {
    const at = seat < this.sources.count ? this.#producerSeat(seat) : this.#laneSeat(seat - this.sources.count);
    return stateOf(Atomics.load(this.#words, at)) ?? 'damaged';
  }

  #peer(seat: number, epoch: number, dead: boolean): void {
    const isProducer = seat < this.sources.count;
    const index = isProducer ? seat : seat - this.sources.count;
    const at = isProducer ? this.#producerSeat(index) : this.#laneSeat(index);
    if (epochOf(Atomics.load(this.#words, at)) !== epoch) return;
    const endings = isProducer ? this.#sourceEndings : this.#endings;
    if (dead) endings.drain(index, DetachReason.dead);
    // Nothing is proven: its holder may come back, and must find that it has lost the seat.
    else endings.fence(index, DetachReason.stalled);
  }

  #changeLane(lane: number, change: LaneChange): void {
    const { lanes } = this;
    if (lanes.life[lane] !== LaneLife.live) this.#notLive('lane', lane);
    const stored = this.routing.subscription(lanes.subscription[lane] ?? -1)?.subscription;
    const capacity = change.capacity ?? lanes.capacity[lane] ?? 0;
    const limit = change.creditLimit ?? lanes.creditLimit[lane] ?? 0;
    const mode = change.lane ?? (lanes.blocking[lane] ? 'blocking' : 'nonblocking');
    const drop = change.drop ?? (lanes.dropOldest[lane] ? 'oldest' : 'newest');
    const most = this.segment.layout.sizes.laneRing / 2;
    if (capacity > most) {
      throw new BusError('IB_NEEDS_ROLL', `capacity ${capacity} is above half of lane_ring: roll the segment`, {
        expected: `1 to ${most}`,
        got: String(capacity),
      });
    }
    if (capacity < 1 || limit < 0 || limit > capacity) {
      throw new BusError('IB_BAD_CONFIG', `lane ${lane}: a capacity and a credit limit that do not go together`, {
        expected: `capacity 1 to ${most}, credit_limit 0 to capacity`,
        got: `${capacity}, ${limit}`,
      });
    }
    if (mode === 'nonblocking' && stored?.delivery === 'at_least_once') {
      throw new BusError('IB_UNSAFE_CHANGE', `lane ${lane} is at_least_once: it has to block`);
    }
    if (drop === 'oldest' && lanes.view[lane]) {
      throw new BusError('IB_BAD_CONFIG', `lane ${lane} is a view lane: its oldest messages cannot be taken back`);
    }
    if (lanes.view[lane] && (stored?.viewMax ?? 0) > capacity) {
      throw new BusError('IB_BAD_CONFIG', `view_max ${stored?.viewMax} is above capacity ${capacity}`);
    }
    const at = this.#laneSeat(lane);
    const before = [Seat.mode, Seat.capacityOrRate, Seat.creditLimit, Seat.detachAfterMs].map(
      (word) => [word, this.#words[at + word] ?? 0] as const,
    );
    this.#words[at + Seat.mode] =
      (mode === 'blocking' ? LaneMode.blocking : 0) | (drop === 'oldest' ? LaneMode.dropOldest : 0);
    this.#words[at + Seat.capacityOrRate] = capacity;
    this.#words[at + Seat.creditLimit] = limit;
    if (change.detachAfterMs !== undefined) this.#words[at + Seat.detachAfterMs] = change.detachAfterMs;
    lanes.readSeat(lane);
    if (mode === 'nonblocking' && this.#shareWith(lane) < shareMin) {
      for (const [word, value] of before) this.#words[at + word] = value;
      lanes.readSeat(lane);
      throw new BusError('IB_UNSAFE_CHANGE', `lane ${lane} would leave each lane less than ${shareMin} of a pool`);
    }
    this.#shareOut();
    while (!this.#fitShares(this.#share)) if (this.lanes.corrupt >= 0) break;
    this.sources.suspectAll();
  }

  #changeProducer(seat: number, creditLimit: number | undefined, rateLimit: number | undefined): void {
    if (this.sources.life[seat] !== SourceLife.live) this.#notLive('producer', seat);
    const at = this.#producerSeat(seat);
    if (creditLimit !== undefined) Atomics.store(this.#words, at + Seat.creditLimit, creditLimit);
    if (rateLimit !== undefined) {
      Atomics.store(this.#words, at + Seat.capacityOrRate, rateLimit);
      this.sources.setRate(seat, rateLimit);
    }
    this.sources.suspect(seat);
  }

  #changeBatch(batchSize: number): void {
    const { slots } = this.segment.layout.sizes;
    this.#checkBatch(batchSize, slots);
    const share = shareOf(this.lanes, slots, batchSize, -1, false);
    if (share < shareMin && this.#sharers()) {
      throw new BusError('IB_UNSAFE_CHANGE', `router_batch_size ${batchSize} leaves each lane ${share} of a pool`, {
        expected: `a pool share of ${shareMin} or more`,
        got: String(share),
      });
    }
    this.#options = { ...this.#options, batchSize };
    this.#shareOut();
    while (!this.#fitShares(this.#share)) if (this.lanes.corrupt >= 0) break;
  }

  #sharers(): boolean {
    for (let lane = 0; lane < this.lanes.count; lane += 1) {
      if (this.lanes.life[lane] !== LaneLife.none && !this.lanes.blocking[lane]) return true;
    }
    return false;
  }

  #checkBatch(batchSize: number, slots: number): void {
    if (Number.isInteger(batchSize) && batchSize >= 1 && batchSize <= 4096 && slots > 2 * batchSize) return;
    throw new BusError('IB_BAD_CONFIG', `router_batch_size ${batchSize} does not fit`, {
      expected: `1 to 4096, and below half of slots_per_producer, ${slots / 2}`,
      got: String(batchSize),
    });
  }

  /** Ends what is under way; the segment stays for a successor. */
  close(): void {
    this.#commitPending();
    this.#held = false;
  }
}
