import { unpackBacklog } from '../../../../src/engines/indexbus/backlog.ts';
import { ringSeatsBell } from '../../../../src/engines/indexbus/bells.ts';
import type { Subscription } from '../../../../src/engines/indexbus/commands.ts';
import { Receiver } from '../../../../src/engines/indexbus/consumer.ts';
import { LaneHead } from '../../../../src/engines/indexbus/laneHead.ts';
import { LaneCursor, layoutOf, Seat, SeatKind, type SegmentSizes } from '../../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../../src/engines/indexbus/messageBatch.ts';
import { type IndexbusMutantFlags, plantedIn } from '../../../../src/engines/indexbus/mutants.ts';
import type { RouterObserver } from '../../../../src/engines/indexbus/observer.ts';
import { plantInPublisher } from '../../../../src/engines/indexbus/plantedLines.ts';
import { Publisher, type PublisherOptions } from '../../../../src/engines/indexbus/producer.ts';
import { Router } from '../../../../src/engines/indexbus/router.ts';
import type { RouterEvents, RouterOptions } from '../../../../src/engines/indexbus/routerParts.ts';
import { changed, epochOf, type SeatStateName, stateOf } from '../../../../src/engines/indexbus/seat.ts';
import { type SeatPlace, seatPlace } from '../../../../src/engines/indexbus/seatPlaces.ts';
import { type Segment, segmentOver, writeHeader } from '../../../../src/engines/indexbus/segment.ts';
import { writeText } from '../../../../src/engines/indexbus/texts.ts';
import { ViewReceiver } from '../../../../src/engines/indexbus/viewConsumer.ts';
import type { Clock } from '../../../../src/host/clock.ts';
import { gatherRuns } from '../../../../src/host/gather.ts';
import type { Host } from '../../../../src/host/host.ts';
import type { Region } from '../../../../src/host/sharedMemory.ts';

/** Small enough to reach every limit, large enough for lanes that do not block. */
export const smallSizes: SegmentSizes = {
  producers: 4,
  lanes: 6,
  slots: 64,
  laneRing: 32,
  slotBytes: 64,
  topics: 16,
};

export interface TestBusOptions {
  readonly sizes?: Partial<SegmentSizes>;
  readonly router?: Partial<RouterOptions>;
  /** Bugs that are planted. */
  readonly mutants?: readonly string[];
  /** Fault points that are live, at every visit. */
  readonly faults?: { includes(name: string): boolean };
  readonly observer?: RouterObserver;
  readonly events?: RouterEvents;
  /** Told of each step before it happens; may throw, to end whoever takes it. */
  readonly step?: (point: number) => void;
  /** All cursors begin here: near 2^32 they wrap. Default 0. */
  readonly startAt?: number;
  /** Whether the region gathers, as those of the addon do. Default false. */
  readonly gathers?: boolean;
}

/** A subscription with the defaults of the contract, small. */
export function subscriptionOf(name: string, change: Partial<Subscription> = {}): Subscription {
  return {
    name,
    topics: ['>'],
    mode: 'broadcast',
    lane: 'nonblocking',
    drop: 'newest',
    capacity: 8,
    creditLimit: undefined,
    balance: 'round_robin',
    detachAfterMs: undefined,
    delivery: 'at_most_once',
    access: 'copy',
    viewMax: 8,
    ...change,
  };
}

/** A participant that died where a test wanted it to. */
export class Killed extends Error {
  override readonly name = 'Killed';
}

export interface TestProducer {
  readonly seat: number;
  readonly epoch: number;
  readonly publisher: Publisher;
  /** Publishes a message that tells its producer's seat and `number`; not flushed. */
  publish(topic: number, number: number, key?: number): boolean;
  flush(): void;
  /** Sets the seat's state, as its holder does. */
  setSeat(to: SeatStateName): void;
}

/** What a test looks at of a received message. */
export interface Received {
  readonly producer: number;
  readonly sequence: number;
  readonly number: number;
  readonly topic: number;
  readonly requeued: boolean;
  readonly redelivered: boolean;
}

export interface TestConsumer {
  readonly lane: number;
  readonly epoch: number;
  readonly head: LaneHead;
  readonly receiver: Receiver | ViewReceiver;
  /** Takes what there is, up to `most`; what was taken before is done. */
  receive(most?: number): readonly Received[];
  ack(): void;
  /** Says that it knows of the fence. */
  acknowledge(): void;
  setSeat(to: SeatStateName): void;
}

/**
 * A bus over memory of this process: router, producers and consumers on one thread, in the order in which a test calls them. Seats are taken by
 * hand, so that nothing waits.
 */
export class TestBus {
  readonly segment: Segment;
  readonly region: Region;
  readonly mutants: IndexbusMutantFlags;
  /** Milliseconds; the router's clock. */
  now = 0;
  /** Told of each step; a test may change it. */
  step: (point: number) => void;
  /** Where all cursors began. */
  readonly startCursor: number;
  readonly woken: number[] = [];
  readonly probes = new Set<string>();
  readonly #options: TestBusOptions;
  router: Router;

  constructor(options: TestBusOptions = {}) {
    this.#options = options;
    this.step = options.step ?? (() => {});
    const layout = layoutOf({ ...smallSizes, ...options.sizes });
    this.region = regionOf(layout.bytes, this, options.gathers === true);
    writeHeader(this.region.words, this.region.bytes, layout, 1, [1, 2, 3, 4]);
    this.segment = segmentOver('test', this.region);
    this.startCursor = options.startAt ?? 0;
    this.#startAt(this.startCursor);
    this.mutants = plantedIn(this.#telemetry);
    this.router = this.newRouter();
  }

  get #telemetry() {
    return {
      sometimes: (name: string, condition: boolean) => {
        if (condition) this.probes.add(name);
      },
      buggify: (name: string) => this.#options.faults?.includes(name) ?? false,
      mutant: (name: string) => this.#options.mutants?.includes(name) ?? false,
    };
  }

  #startAt(cursor: number): void {
    const { layout, words } = this.segment;
    for (let number = 0; number < layout.sizes.producers; number += 1) {
      const { cursors } = seatPlace(layout, 'producer', number);
      for (const word of [0, 1, 32, 33]) words[cursors + word] = cursor;
    }
    for (let number = 0; number < layout.sizes.lanes; number += 1) {
      const { cursors } = seatPlace(layout, 'consumer', number);
      for (const word of [0, 1, 32, 33]) words[cursors + word] = cursor;
    }
  }

  /** Clock of the participants. */
  get clock(): Clock {
    return {
      now: () => this.now,
      wall: () => this.now,
      sleep: () => Promise.reject(new Error('nothing sleeps in these tests')),
      timer: () => {
        throw new Error('nothing waits in these tests');
      },
    };
  }

  /** A router that takes the segment over, as a successor does. */
  newRouter(): Router {
    const { router, observer, events } = this.#options;
    this.router = new Router(this.segment, {
      clock: this.clock,
      telemetry: this.#telemetry,
      options: { batchSize: 16, ...router },
      ...(observer === undefined ? {} : { observer }),
      ...(events === undefined ? {} : { events }),
    });
    return this.router;
  }

  /** Polls until nothing is taken, and what was staged is committed and freed. Returns what was taken. */
  settle(polls = 64): number {
    let taken = 0;
    let idle = 0;
    for (let poll = 0; poll < polls && idle < 3; poll += 1) {
      const more = this.router.poll();
      taken += more;
      idle = more === 0 ? idle + 1 : 0;
    }
    return taken;
  }

  subscribe(name: string, change: Partial<Subscription> = {}): number {
    this.router.apply({ do: 'put-subscription', subscription: subscriptionOf(name, change) });
    return this.router.routing.recordOf(name);
  }

  topic(name: string): number {
    this.router.apply({ do: 'create-topic', name });
    return this.router.routing.topicNumber(name) ?? -1;
  }

  /** A seat on its way: claimed, described, ready; the router has not seen it. */
  request(kind: 'producer' | 'consumer', subscription = 0, prefer?: number): { place: SeatPlace; epoch: number } {
    const { words, bytes, layout } = this.segment;
    const count = kind === 'producer' ? layout.sizes.producers : layout.sizes.lanes;
    const numbers = prefer === undefined ? Array.from({ length: count }, (_, number) => number) : [prefer];
    const waiting = numbers.filter((number) => {
      const place = seatPlace(layout, kind, number);
      if (kind !== 'consumer' || this.stateOf(place) !== 'draining') return false;
      return unpackBacklog(words[place.cursors + LaneCursor.backlog] ?? 0)?.record === subscription;
    });
    // As joiners do: what ended later may have what is older.
    waiting.sort((a, b) => this.lane(b, LaneCursor.endingOrder) - this.lane(a, LaneCursor.endingOrder));
    for (const number of [
      ...numbers.filter((it) => this.stateOf(seatPlace(layout, kind, it)) === 'free'),
      ...waiting,
    ]) {
      const place = seatPlace(layout, kind, number);
      const word = Atomics.load(words, place.at);
      const claimed = changed(word, 'claimed');
      Atomics.store(words, place.at, claimed);
      words[place.at + Seat.kind] = SeatKind[kind];
      words[place.at + Seat.pid] = 1000 + place.index;
      words.fill(0, place.at + Seat.reason, place.at + Seat.name);
      words.fill(0, place.at + Seat.operation, place.at + Seat.detachAfterMs + 1);
      words[place.at + Seat.subscription] = subscription;
      writeText(bytes, place.at + Seat.name, 64, `${kind}-${number}`);
      Atomics.store(words, place.at, changed(claimed, 'ready'));
      ringSeatsBell(this.region);
      return { place, epoch: epochOf(claimed) };
    }
    throw new Error(`no seat is free for a ${kind}`);
  }

  /** A joiner that waits no longer: what waits in its lane goes on waiting. */
  giveUp(place: SeatPlace): void {
    const backlog = place.kind === 'consumer' ? this.lane(place.number, LaneCursor.backlog) : 0;
    if (this.stateOf(place) === 'ready') this.#setSeat(place, backlog === 0 ? 'free' : 'draining');
  }

  /** Whether somebody can have a seat for messages of this subscription. */
  hasSeatFor(record: number): boolean {
    const { layout } = this.segment;
    return Array.from({ length: layout.sizes.lanes }, (_, lane) => lane).some((lane) => {
      const state = this.stateOf(seatPlace(layout, 'consumer', lane));
      const waiting = unpackBacklog(this.lane(lane, LaneCursor.backlog))?.record;
      return state === 'free' || (state === 'draining' && waiting === record);
    });
  }

  stateOf(place: SeatPlace): SeatStateName | undefined {
    return stateOf(Atomics.load(this.segment.words, place.at));
  }

  #host(): Host {
    // Publishers read the clock and fault points of their host, nothing else.
    return { clock: this.clock, telemetry: this.#telemetry } as unknown as Host;
  }

  /** A producer whose seat is live. */
  producer(options: Partial<PublisherOptions> = {}, prefer?: number): TestProducer {
    const { place, epoch } = this.request('producer', 0, prefer);
    for (let polls = 0; polls < 64 && this.stateOf(place) === 'ready'; polls += 1) this.router.poll();
    if (this.stateOf(place) !== 'live') throw new Error(`producer ${place.number} is ${this.stateOf(place)}`);
    const publisher = new Publisher(
      this.region,
      this.segment.layout,
      this.#host(),
      place,
      epoch,
      { flushEvery: 1 << 20, creditLimit: 0, checked: false, atEndOfTurn: () => {}, ...options },
      () => this.#acknowledge(place),
      this.mutants,
    );
    plantInPublisher(publisher, this.segment, this.mutants);
    const payload = new Int32Array(4);
    return {
      seat: place.number,
      epoch,
      publisher,
      publish: (topic, number, key = 0) => {
        payload[0] = place.number;
        payload[1] = number;
        payload[2] = ~number;
        payload[3] = number * 7;
        return publisher.publishWords(topic, payload, 0, 4, key);
      },
      flush: () => publisher.flush(),
      setSeat: (to) => this.#setSeat(place, to),
    };
  }

  /** A consumer whose lane is live. */
  consumer(subscription: string, batch = 256, prefer?: number): TestConsumer {
    const record = this.router.routing.recordOf(subscription);
    const { place, epoch } = this.request('consumer', record, prefer);
    for (let polls = 0; polls < 64 && this.stateOf(place) === 'ready'; polls += 1) this.router.poll();
    if (this.stateOf(place) !== 'live') throw new Error(`lane ${place.number} is ${this.stateOf(place)}`);
    return this.attach(place, epoch, batch);
  }

  /** The consumer's side of a live lane. */
  attach(place: SeatPlace, epoch: number, batch = 256): TestConsumer {
    const { layout } = this.segment;
    const head = new LaneHead(this.region, place, epoch, () => this.#acknowledge(place), this.mutants);
    const view = this.router.lanes.view[place.number] === 1;
    const receiver = view
      ? new ViewReceiver(this.region, layout, place.number, head, batch)
      : new Receiver(this.region, layout, place.number, head, batch, false, this.mutants);
    const into = new MessageBatch(batch, batch * layout.sizes.slotBytes);
    return {
      lane: place.number,
      epoch,
      head,
      receiver,
      receive: (most = batch) => {
        receiver.receive(into, most);
        return received(into);
      },
      ack: () => head.ack(),
      acknowledge: () => this.#acknowledge(place),
      setSeat: (to) => this.#setSeat(place, to),
    };
  }

  #acknowledge(place: SeatPlace): void {
    if (this.stateOf(place) === 'fenced') this.#setSeat(place, 'acked');
  }

  #setSeat(place: SeatPlace, to: SeatStateName): void {
    const word = Atomics.load(this.segment.words, place.at);
    Atomics.store(this.segment.words, place.at, changed(word, to));
    ringSeatsBell(this.region);
  }

  /** Tells the router that the kernel has proven the death of a seat's holder. */
  dead(kind: 'producer' | 'consumer', number: number): void {
    const place = seatPlace(this.segment.layout, kind, number);
    const epoch = epochOf(Atomics.load(this.segment.words, place.at));
    this.router.apply({ do: 'peer-dead', seat: place.index, epoch });
  }

  /** Word of a lane's cursors. */
  lane(lane: number, field: number): number {
    return Atomics.load(this.segment.words, seatPlace(this.segment.layout, 'consumer', lane).cursors + field);
  }

  /** Word of a producer's cursors. */
  source(producer: number, field: number): number {
    return Atomics.load(this.segment.words, seatPlace(this.segment.layout, 'producer', producer).cursors + field);
  }

  /** Slots of a producer that are neither in lanes nor in its source: at home, or on their way. */
  home(producer: number): number {
    return this.segment.layout.sizes.slots - this.router.counts.away(producer) - this.router.sources.depth(producer);
  }
}

function received(batch: MessageBatch): readonly Received[] {
  const all: Received[] = [];
  for (let index = 0; index < batch.length; index += 1) {
    const at = batch.wordOffset(index);
    const [producer = -1, number = -1, inverse = 0, product = 0] = batch.words.subarray(at, at + 4);
    if (inverse !== ~number || product !== number * 7 || producer !== batch.producer(index)) {
      throw new Error(`a torn payload: ${producer} ${number} ${inverse} ${product}`);
    }
    all.push({
      producer,
      sequence: batch.sequence(index),
      number,
      topic: batch.topic(index),
      requeued: batch.requeued(index),
      redelivered: batch.redelivered(index),
    });
  }
  return all;
}

/** A region over memory of this process whose steps a test sees. Nobody waits there; wakes are kept. */
function regionOf(size: number, bus: TestBus, gathers: boolean): Region {
  const memory = new SharedArrayBuffer(size);
  const words = new Int32Array(memory);
  const refuse = (): never => {
    throw new Error('nothing waits in these tests');
  };
  return {
    name: 'test',
    backing: 'sab',
    bytes: new Uint8Array(memory),
    words,
    step: (point) => bus.step(point),
    ...(gathers ? { gather: (runs, count, to) => gatherRuns('test', words, runs, count, to) } : {}),
    wait: refuse,
    waitAsync: refuse,
    wake: (word) => {
      bus.woken.push(word);
      return 0;
    },
    lock: () => true,
    unlock: () => {},
    evidence: () => ({ lock: 'held', process: 'running' }),
    tuning: () => [],
    close: () => {},
  };
}
