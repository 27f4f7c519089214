import { unpackBacklog } from '../../../../src/engines/indexbus/backlog.ts';
import type { Subscription } from '../../../../src/engines/indexbus/commands.ts';
import { Receiver } from '../../../../src/engines/indexbus/consumer.ts';
import { LaneHead } from '../../../../src/engines/indexbus/laneHead.ts';
import {
  cursorWords,
  Header,
  LaneCursor,
  type Layout,
  laneCounters,
  layoutOf,
  ProducerCursor,
  Seat,
  SeatKind,
  type SegmentSizes,
} from '../../../../src/engines/indexbus/layout.ts';
import { sayLeaving } from '../../../../src/engines/indexbus/leave.ts';
import { MessageBatch } from '../../../../src/engines/indexbus/messageBatch.ts';
import { plantedIn } from '../../../../src/engines/indexbus/mutants.ts';
import { payloadCheck } from '../../../../src/engines/indexbus/payloadCheck.ts';
import { Publisher } from '../../../../src/engines/indexbus/producer.ts';
import { Router } from '../../../../src/engines/indexbus/router.ts';
import { changed, SeatState, seatWord } from '../../../../src/engines/indexbus/seat.ts';
import { seatPlace } from '../../../../src/engines/indexbus/seatPlaces.ts';
import { createSegment, type Segment, segmentOver } from '../../../../src/engines/indexbus/segment.ts';
import { ViewReceiver } from '../../../../src/engines/indexbus/viewConsumer.ts';
import type { Host } from '../../../../src/host/host.ts';
import type { Region, SharedMemory } from '../../../../src/host/sharedMemory.ts';
import { Reader } from '../../../../src/scenario/stands/indexbus/witness/reader.ts';
import { Fact, FactLog, factBytes } from './facts.ts';
import { ConsumerWitness, ProducerWitness, RouterWitness } from './witness.ts';

/** A small bus with its seats taken, for runs that begin from there. */
export interface StagePlan {
  readonly sizes?: Partial<SegmentSizes>;
  /** Names of topics; default one. */
  readonly topics?: readonly string[];
  readonly subscriptions: readonly (Pick<Subscription, 'name'> & Partial<Subscription>)[];
  /** Subscription's number of each lane that is live at the beginning. */
  readonly lanes: readonly number[];
  /** Producers that are live at the beginning. */
  readonly producers: number;
  /** Messages of a poll. */
  readonly batchSize?: number;
  readonly noSubscriber?: 'drop' | 'hold';
  /** Cursors begin here. */
  readonly cursorsFrom?: number;
}

/** What decides, at each step, who goes on. */
export interface Hooks {
  step(point: number): void;
  wait?(words: Int32Array, word: number, expected: number): 'woken' | 'changed' | 'timeout';
  wake?(word: number, count: number): number;
}

const free: Hooks = { step: () => {} };

/** A producer of the stage. */
export interface StagedProducer {
  readonly publisher: Publisher;
  /** Publishes the next message; false without credit. Its payload tells which it is. */
  publish(topic?: number, key?: number, words?: number): boolean;
  flush(): void;
  /** Closes, and gives its seat back as a bus does. */
  leave(): void;
  /** It has returned for good: notes what it has at home. */
  end(): void;
}

/** A consumer of the stage. */
export interface StagedConsumer {
  readonly head: LaneHead;
  /** Receives once; how many. */
  receive(): number;
  /** Looks again at what it has open. */
  lookAgain(): void;
  /** Ends what it has open, and gives its seat back as a bus does. */
  leave(): void;
  end(): void;
}

const defaultSizes: SegmentSizes = { producers: 1, lanes: 1, slots: 32, laneRing: 8, slotBytes: 64, topics: 4 };

/** Seats, memory, book and witnesses of one bus. Participants are opened with the hooks that decide about their steps. */
export class Stage {
  readonly plan: StagePlan;
  readonly layout: Layout;
  readonly #image: Int32Array;
  readonly #mutant: string;

  static async build(plan: StagePlan, mutant = ''): Promise<Stage> {
    const sizes = { ...defaultSizes, ...plan.sizes };
    const layout = layoutOf(sizes);
    const memory = new SharedArrayBuffer(layout.bytes);
    const region = regionOver(memory, layout.bytes, free);
    const shm = {
      open: async () => region,
      rename: async () => {},
      stat: async () => undefined,
      bootId: () => [1, 2, 3, 4] as const,
    };
    // Of the interface only what the building of a segment calls.
    await createSegment({ shm: shm as unknown as SharedMemory, name: 'stage' }, sizes, 1);
    const stage = new Stage(plan, layout, new Int32Array(memory), mutant);
    stage.#takeSeats(region);
    return stage;
  }

  private constructor(plan: StagePlan, layout: Layout, image: Int32Array, mutant: string) {
    this.plan = plan;
    this.layout = layout;
    this.#image = image;
    this.#mutant = mutant;
  }

  #takeSeats(region: Region): void {
    const { words } = region;
    const { layout, plan } = this;
    const from = plan.cursorsFrom ?? 0;
    for (let producer = 0; producer < layout.sizes.producers; producer += 1) {
      const at = layout.producerCursors + producer * cursorWords;
      for (const word of [
        ProducerCursor.sourceTail,
        ProducerCursor.sourceHead,
        ProducerCursor.returnHead,
        ProducerCursor.returnTail,
      ]) {
        words[at + word] = from;
      }
    }
    for (let lane = 0; lane < layout.sizes.lanes; lane += 1) {
      const at = layout.laneCursors + lane * cursorWords;
      for (const word of [
        LaneCursor.head,
        LaneCursor.done,
        LaneCursor.tail,
        LaneCursor.reclaimed,
        LaneCursor.redelivery,
      ]) {
        words[at + word] = from;
      }
    }
    const router = new Router(segmentOver('stage', region), {
      clock: this.#clock(),
      telemetry: telemetryWith(''),
      options: this.routerOptions(),
    });
    for (const topic of plan.topics ?? ['t']) router.apply({ do: 'create-topic', name: topic });
    for (const subscription of plan.subscriptions) {
      router.apply({ do: 'put-subscription', subscription: { ...defaultSubscription, ...subscription } });
    }
    const take = (kind: 'producer' | 'consumer', number: number, subscription: number): void => {
      const { at } = seatPlace(layout, kind, number);
      words[at + Seat.kind] = SeatKind[kind];
      words[at + Seat.subscription] = subscription;
      words[at] = seatWord(1, SeatState.ready);
      Atomics.add(words, Header.seatsBell, 1);
    };
    for (let producer = 0; producer < plan.producers; producer += 1) take('producer', producer, 0);
    plan.lanes.forEach((subscription, lane) => {
      take('consumer', lane, subscription);
    });
    router.poll();
    router.close();
    const reader = new Reader(words, layout);
    plan.lanes.forEach((_, lane) => {
      if (reader.laneState(lane) !== SeatState.live) throw new Error(`lane ${lane} of the stage is not live`);
    });
  }

  routerOptions() {
    return {
      batchSize: this.plan.batchSize ?? 4,
      noSubscriber: this.plan.noSubscriber ?? ('drop' as const),
      counterSampleMs: 1e9,
      autoCreate: true,
    };
  }

  /** Bytes of the memory that a run needs: the segment, then the book. */
  get bytes(): number {
    return this.layout.bytes + factBytes;
  }

  /** Puts the memory into its first state. */
  reset(memory: SharedArrayBuffer): void {
    new Int32Array(memory, 0, this.layout.bytes / 4).set(this.#image);
    const log = this.log(memory);
    log.clear();
    const reader = this.reader(memory);
    for (let seat = 0; seat < this.plan.producers; seat += 1) {
      log.put(Fact.producerOpened, reader.producer(seat), seat, 1);
    }
    this.plan.lanes.forEach((_, seat) => {
      this.noteLane(memory, seat);
    });
  }

  /** Notes that a consumer has the lane. @param requeuedOut what its word tells from then on; default what it tells now */
  noteLane(memory: SharedArrayBuffer, seat: number, requeuedOut?: number): void {
    const reader = this.reader(memory);
    const record = reader.laneSeat(seat, Seat.subscription);
    const { mode = 'broadcast', lane = 'nonblocking' } = this.plan.subscriptions[record] ?? {};
    this.log(memory).put(
      Fact.laneOpened,
      reader.lane(seat),
      seat,
      reader.lane(seat) >>> 6,
      mode === 'broadcast' ? -1 : record,
      mode === 'keyed' ? 1 : 0,
      lane === 'blocking' ? 1 : 0,
    );
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, ...moves] = laneCounts(reader, seat);
    this.log(memory).put(Fact.baseDrops, reader.lane(seat), a, b, c, d, e, f);
    const [into = 0, out = 0, again = 0] = moves;
    this.log(memory).put(Fact.baseMoves, reader.lane(seat), into, requeuedOut ?? out, again);
  }

  log(memory: SharedArrayBuffer): FactLog {
    return new FactLog(memory, this.layout.bytes);
  }

  reader(memory: SharedArrayBuffer): Reader {
    return new Reader(new Int32Array(memory, 0, this.layout.bytes / 4), this.layout);
  }

  #clock() {
    let now = 0;
    // A millisecond every look: nothing here waits for time.
    return { now: () => ++now, wall: () => 0, sleep: async () => {}, timer: () => ({ cancel: () => {} }) };
  }

  segment(memory: SharedArrayBuffer, hooks: Hooks): Segment {
    return segmentOver('stage', regionOver(memory, this.layout.bytes, hooks));
  }

  /** A router, as number `number` of the run. Its construction recovers; steps of that count too. */
  router(memory: SharedArrayBuffer, hooks: Hooks, number = 0): { readonly router: Router; end(): void } {
    const log = this.log(memory);
    const subscriptions = this.plan.subscriptions.map(({ topics = ['t'], mode = 'broadcast' }) => ({
      topics: (this.plan.topics ?? ['t']).flatMap((topic, index) => (topics.includes(topic) ? [index] : [])),
      mode,
    }));
    const witness = new RouterWitness(
      this.reader(memory),
      log,
      subscriptions,
      this.routerOptions().batchSize,
      number,
      (seat, requeuedOut) => this.noteLane(memory, seat, requeuedOut),
    );
    log.put(Fact.routerBegan, number);
    const segment = this.segment(memory, both(witness, hooks));
    const router = new Router(segment, {
      clock: this.#clock(),
      telemetry: telemetryWith(this.#mutant),
      options: this.routerOptions(),
    });
    return { router, end: () => witness.end() };
  }

  /** Notes that whoever holds the seat was killed. */
  noteDead(memory: SharedArrayBuffer, kind: 'producer' | 'consumer', seat: number): void {
    const reader = this.reader(memory);
    if (kind === 'producer') this.log(memory).put(Fact.producerOver, reader.producer(seat));
    else this.log(memory).put(Fact.laneOver, reader.lane(seat), 1);
  }

  /** Somebody takes the lane's seat and waits to go live; false if it is not free, and nothing waits there for a consumer. */
  join(memory: SharedArrayBuffer, seat: number): boolean {
    const { words } = this.reader(memory);
    const { at, cursors } = seatPlace(this.layout, 'consumer', seat);
    const word = Atomics.load(words, at);
    const isFree = (word & 15) === SeatState.free;
    const backlog = unpackBacklog(Atomics.load(words, cursors + LaneCursor.backlog));
    if (!isFree && ((word & 15) !== SeatState.draining || backlog === undefined)) return false;
    const claimed = changed(word, 'claimed');
    if (Atomics.compareExchange(words, at, word, claimed) !== word) return false;
    words[at + Seat.kind] = SeatKind.consumer;
    words.fill(0, at + Seat.reason, at + Seat.name);
    words[at + Seat.subscription] = isFree ? (this.plan.lanes[seat] ?? 0) : (backlog?.record ?? 0);
    words[at] = changed(claimed, 'ready');
    // Who takes over has the lane when the router says so.
    if (isFree) this.noteLane(memory, seat);
    Atomics.add(words, Header.seatsBell, 1);
    return true;
  }

  /** A joiner that waits no longer; false if its seat is live by now. What waits in the lane goes on waiting. */
  giveUp(memory: SharedArrayBuffer, seat: number): boolean {
    const { words } = this.reader(memory);
    const { at, cursors } = seatPlace(this.layout, 'consumer', seat);
    const word = Atomics.load(words, at);
    if ((word & 15) !== SeatState.ready) return false;
    const to = Atomics.load(words, cursors + LaneCursor.backlog) === 0 ? 'free' : 'draining';
    if (Atomics.compareExchange(words, at, word, changed(word, to)) !== word) return false;
    this.log(memory).put(Fact.laneOver, ((word >>> 4) << 6) | seat, 0);
    Atomics.add(words, Header.seatsBell, 1);
    return true;
  }

  /** Whether it is noted that this incarnation of a lane is over. */
  isOver(memory: SharedArrayBuffer, lane: number): boolean {
    return this.log(memory).last(Fact.laneOver, (it) => it === lane) !== undefined;
  }

  /** The same of a producer. */
  isProducerOver(memory: SharedArrayBuffer, producer: number): boolean {
    return this.log(memory).last(Fact.producerOver, (it) => it === producer) !== undefined;
  }

  /** Notes that a router was killed. */
  noteRouterOver(memory: SharedArrayBuffer, number: number): void {
    this.log(memory).put(Fact.routerOver, number);
  }

  producer(memory: SharedArrayBuffer, hooks: Hooks, seat = 0, flushEvery = 1): StagedProducer {
    const log = this.log(memory);
    const reader = this.reader(memory);
    const id = reader.producer(seat);
    const witness = new ProducerWitness(log, id);
    const segment = this.segment(memory, both(witness, hooks));
    const { region } = segment;
    const place = seatPlace(this.layout, 'producer', seat);
    const options = { flushEvery, creditLimit: 0, checked: false, atEndOfTurn: () => {} };
    const telemetry = telemetryWith(this.#mutant);
    // Of the host a publisher needs its clock and its telemetry alone.
    const host = { clock: this.#clock(), telemetry } as unknown as Host;
    const acknowledge = (): void => acknowledgeFence(region, place.at);
    const publisher = new Publisher(
      region,
      this.layout,
      host,
      place,
      id >>> 6,
      options,
      acknowledge,
      plantedIn(telemetry),
    );
    let published = 0;
    const words = new Int32Array(12);
    return {
      publisher,
      publish(topic = 0, key = 0, count = 4) {
        for (let word = 0; word < count; word += 1)
          words[word] = Math.imul(published + 1, 0x9e3779b1) ^ (id * 31 + word);
        witness.message = { topic, key, byteLength: count * 4, checksum: payloadCheck(words, 0, count * 4) };
        const accepted = publisher.publishWords(topic, words, 0, count, key);
        witness.end();
        if (accepted) published += 1;
        else log.put(Fact.refused, id);
        return accepted;
      },
      flush() {
        publisher.flush();
        witness.end();
      },
      leave() {
        publisher.close();
        sayLeaving({ segment }, { place, epoch: id >>> 6, release: () => {} });
        witness.end();
      },
      end() {
        witness.end();
        log.put(Fact.credit, id, publisher.credit);
      },
    };
  }

  consumer(memory: SharedArrayBuffer, hooks: Hooks, seat = 0, batch = 4): StagedConsumer {
    const log = this.log(memory);
    const reader = this.reader(memory);
    const id = reader.lane(seat);
    const witness = new ConsumerWitness(reader, log, seat, id);
    const segment = this.segment(memory, both(witness, hooks));
    const { region } = segment;
    const place = seatPlace(this.layout, 'consumer', seat);
    const mutants = plantedIn(telemetryWith(this.#mutant));
    const head = new LaneHead(
      region,
      place,
      id >>> 6,
      () => {
        log.put(Fact.laneOver, id, 0);
        acknowledgeFence(region, place.at);
      },
      mutants,
    );
    witness.position = () => head.position;
    const view = reader.laneSeat(seat, Seat.access) === 1;
    const receiver = view
      ? new ViewReceiver(region, this.layout, seat, head, batch)
      : new Receiver(region, this.layout, seat, head, batch, false, mutants);
    const into = new MessageBatch(batch, batch * this.layout.sizes.slotBytes);
    const note = (kind: number): void => {
      for (let index = 0; index < into.length; index += 1) {
        const checksum = payloadCheck(into.words, into.wordOffset(index), into.byteLength(index));
        const producer = reader.producer(into.producer(index));
        const flags = (into.requeued(index) ? 1 : 0) | (into.redelivered(index) ? 2 : 0);
        if (kind === Fact.received)
          log.put(kind, id, producer, into.sequence(index), flags, into.byteLength(index), checksum);
        else log.put(kind, id, producer, into.sequence(index), checksum);
      }
    };
    return {
      head,
      receive() {
        const count = receiver.receive(into);
        witness.end();
        note(Fact.received);
        return count;
      },
      lookAgain: () => note(Fact.lookedAgain),
      leave() {
        head.close();
        sayLeaving({ segment }, { place, epoch: id >>> 6, release: () => {} });
        witness.end();
      },
      end: () => witness.end(),
    };
  }
}

/** What the words of a lane's seat count: newest, oldest, pool, noCredit, allFull, detached, requeued in, out, redelivered. */
export function laneCounts(reader: Reader, seat: number): number[] {
  return laneCounters.map((name) => reader.laneCursor(seat, LaneCursor[name]));
}

function acknowledgeFence(region: Region, at: number): void {
  const { words } = region;
  const word = Atomics.load(words, at);
  if ((word & 15) !== SeatState.fenced) return;
  Atomics.compareExchange(words, at, word, changed(word, 'acked'));
  Atomics.add(words, Header.seatsBell, 1);
}

const defaultSubscription: Subscription = {
  name: 's',
  topics: ['t'],
  mode: 'broadcast',
  lane: 'nonblocking',
  drop: 'newest',
  capacity: 4,
  creditLimit: undefined,
  balance: 'round_robin',
  detachAfterMs: undefined,
  delivery: 'at_most_once',
  access: 'copy',
  viewMax: 1,
};

/** The witness first: what it saw has happened before another runs. */
function both(witness: { step(point: number): void }, hooks: Hooks): Hooks {
  return withStep(hooks, (point) => {
    witness.step(point);
    hooks.step(point);
  });
}

/** The same hooks with another step. */
export function withStep(hooks: Hooks, step: (point: number) => void): Hooks {
  return {
    step,
    wait: (words, word, expected) => hooks.wait?.(words, word, expected) ?? 'timeout',
    wake: (word, count) => hooks.wake?.(word, count) ?? 0,
  };
}

/** Nothing is disturbed, one bug at most is planted. */
export function telemetryWith(mutant: string): Host['telemetry'] {
  const telemetry = { sometimes: () => {}, buggify: () => false, mutant: (name: string) => name === mutant };
  // Of the interface only what the bus asks.
  return telemetry as unknown as Host['telemetry'];
}

/** A region over memory that tests hold. */
export function regionOver(memory: SharedArrayBuffer, bytes: number, hooks: Hooks): Region {
  const words = new Int32Array(memory, 0, bytes / 4);
  return {
    name: 'stage',
    backing: 'sab',
    bytes: new Uint8Array(memory, 0, bytes),
    words,
    step: (point) => hooks.step(point),
    wait: (word, expected) => hooks.wait?.(words, word, expected) ?? 'timeout',
    waitAsync: async () => 'timeout',
    wake: (word, count) => hooks.wake?.(word, count) ?? 0,
    lock: () => true,
    unlock: () => {},
    evidence: () => ({ lock: 'held', process: 'running' }),
    tuning: () => [],
    close: () => {},
  };
}
