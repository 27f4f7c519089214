import type { Subscription } from '../../../../src/engines/indexbus/commands.ts';
import { distance, frozen, isFrozen } from '../../../../src/engines/indexbus/cursor.ts';
import { ownerOf } from '../../../../src/engines/indexbus/descriptor.ts';
import { BusError } from '../../../../src/engines/indexbus/errors.ts';
import { LaneLife } from '../../../../src/engines/indexbus/laneTable.ts';
import {
  LaneCursor,
  ProducerCursor,
  SubscriptionRecord,
  subscriptionWords,
} from '../../../../src/engines/indexbus/layout.ts';
import type { RouterObserver } from '../../../../src/engines/indexbus/observer.ts';
import { Point } from '../../../../src/engines/indexbus/points.ts';
import { seatPlace } from '../../../../src/engines/indexbus/seatPlaces.ts';
import { ArrayBus } from './arrayBus.ts';
import { Killed, type Received, TestBus, type TestConsumer, type TestProducer } from './bus.ts';

/** Numbers drawn from a seed (mulberry32, Ettinger). */
export function drawer(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** What is known of a consumer, and what it has received in its life. */
interface Reader {
  readonly consumer: TestConsumer;
  readonly record: number;
  readonly received: Received[];
  alive: boolean;
  /** Taken and not seen, of one that died over it. */
  unseen: number;
}

interface Writer {
  readonly producer: TestProducer;
  readonly key: (number: number) => number;
  alive: boolean;
  next: number;
}

/** Routers that may die over the news of a death. */
const deathsMax = 100;

/** Where two sides meet. */
const contended: ReadonlySet<number> = new Set([
  Point.claimHead,
  Point.loadTail,
  Point.storeDone,
  Point.freezeHead,
  Point.applyHead,
  Point.seal,
  Point.commitDone,
  Point.fenceSeat,
  Point.storeTail,
  Point.clearDoorbell,
]);

const faultPoints = [
  'commit-one-message',
  'commit-empty',
  'skip-doorbell-scan',
  'freeze-long',
  'return-late',
  'sample-each-commit',
  'bucket-move-storm',
  'share-minimal',
];

/** A run drawn from a seed: participants come, work, stop, leave and die, and routers die within a poll. Says what was wrong, in words. */
export class Story {
  readonly bus: TestBus;
  /** Decides for itself what the router should do. */
  readonly twin: ArrayBus;
  readonly problems: string[] = [];
  readonly #draw: (below: number) => number;
  readonly #subscriptions: { readonly name: string; readonly subscription: Partial<Subscription> }[] = [];
  readonly #records: number[] = [];
  readonly #readers: Reader[] = [];
  readonly #writers: Writer[] = [];
  /** Messages that consumers have seen, by lane. */
  readonly #seen = new Map<number, number>();
  /** Of what was committed. */
  readonly #counted = { wanted: 0, delivered: 0, refused: 0 };
  #staged = { wanted: 0, delivered: 0, refused: 0 };
  /** Receipts by subscription: identity of the message to how often. */
  readonly #receipts = new Map<string, Received & { readonly reader: number }>();
  readonly #lastOfKey = new Map<string, number>();
  #topics: number[] = [];
  crashes = 0;
  #life = 0;
  #taking: Reader | undefined;
  readonly #lives = new Map<number, number>();

  /** @param lanes seats of consumers: where they are few, the next one takes over that of one that is gone */
  constructor(seed: number, mutants: readonly string[] = [], mode?: Subscription['mode'], lanes = 5) {
    this.#draw = drawer(seed);
    const draw = this.#draw;
    const faults = new Set(faultPoints.filter(() => draw(4) === 0));
    this.twin = this.#twin();
    this.bus = new TestBus({
      sizes: { producers: 3, lanes, slots: 64, laneRing: [8, 16, 32][draw(3)] ?? 8 },
      router: { batchSize: [2, 5, 12][draw(3)] ?? 2, noSubscriber: draw(4) === 0 ? 'hold' : 'drop' },
      mutants,
      faults: { includes: (name: string) => faults.has(name) && draw(4) === 0 },
      observer: this.#observer(),
      events: { laneLive: (lane) => this.twin.laneLive(lane) },
      ...(draw(2) === 0 ? {} : { startAt: -draw(20) }),
    });
    this.#topics = ['a.x', 'a.y', 'b.x'].map((name) => this.bus.topic(name));
    for (let number = 0; number <= draw(3); number += 1) this.#subscribe(number, mode);
  }

  #twin(): ArrayBus {
    return new ArrayBus({
      lanes: () => this.bus.router.lanes,
      subscription: (record) => this.bus.router.routing.subscription(record)?.subscription,
      topicName: (topic) => this.bus.router.routing.topicNames[topic] ?? '',
      word: (lane, field) => this.bus.lane(lane, field),
      entry: (lane, cursor) => {
        const at = this.bus.router.lanes.entry(lane, cursor);
        return [...this.bus.segment.words.subarray(at, at + 4)];
      },
    });
  }

  #observer(): RouterObserver {
    const { twin } = this;
    return {
      headSeen: (lane, head) => twin.headSeen(lane, head),
      taken: (producer, sequence, topic, wanted, delivered) => {
        twin.taken(producer, sequence, topic, wanted, delivered);
        this.#staged.wanted += wanted;
        this.#staged.delivered += delivered;
      },
      parked: () => twin.parked(),
      placed: (lane, ...entry) => {
        twin.placed(lane, ...entry);
        this.#checkLimits(lane, ownerOf(entry[0]));
      },
      refused: (lane, record, cause) => {
        twin.refused(lane, record, cause);
        this.#staged.refused += 1;
      },
      evicted: (lane, cursor) => twin.evicted(lane, cursor),
      takenBack: (lane, cursor, to, again) => twin.takenBack(lane, cursor, to, again),
      laneEnded: (lane) => twin.laneEnded(lane),
      committed: () => {
        twin.committed();
        this.#committed();
      },
    };
  }

  #checkLimits(lane: number, producer: number): void {
    const { lanes, counts } = this.bus.router;
    // What its next consumer takes over stands there twice until the commit.
    if (lanes.life[lane] !== LaneLife.live) return;
    const depth = distance(lanes.tail[lane] ?? 0, lanes.head[lane] ?? 0);
    const limit = Math.min(lanes.capacity[lane] ?? 0, lanes.creditLimit[lane] || 1 << 30);
    if (depth > limit) this.problems.push(`C1 lane ${lane} has ${depth} messages, its limit is ${limit}`);
    if (lanes.blocking[lane] || lanes.view[lane]) return;
    const { slots } = this.bus.segment.layout.sizes;
    let sharers = 0;
    for (let other = 0; other < lanes.count; other += 1) {
      if (lanes.life[other] !== 0 && !lanes.blocking[other] && !lanes.view[other]) sharers += 1;
    }
    const most = Math.floor((slots - 2 * this.bus.router.options.batchSize) / sharers);
    if (counts.held(lane, producer) > most) this.problems.push(`C1 lane ${lane} has more than ${most} slots`);
  }

  #committed(): void {
    this.#counted.wanted += this.#staged.wanted;
    this.#counted.delivered += this.#staged.delivered;
    this.#counted.refused += this.#staged.refused;
    this.#staged = { wanted: 0, delivered: 0, refused: 0 };
  }

  #subscribe(number: number, only: Subscription['mode'] | undefined): void {
    const draw = this.#draw;
    const mode = only ?? (['broadcast', 'workqueue', 'keyed'] as const)[draw(3)] ?? 'broadcast';
    const blocking = draw(2) === 0;
    const view = draw(3) === 0;
    const ring = this.bus.segment.layout.sizes.laneRing;
    const capacity = 1 + draw(ring / 2);
    const subscription: Partial<Subscription> = {
      topics: [['>'], ['a.*'], ['a.x', 'b.>']][draw(3)] ?? ['>'],
      mode,
      lane: blocking ? 'blocking' : 'nonblocking',
      drop: view || draw(2) === 0 ? 'newest' : 'oldest',
      capacity,
      creditLimit: draw(4) === 0 ? 1 + draw(capacity) : undefined,
      balance: draw(2) === 0 ? 'round_robin' : 'least_depth',
      detachAfterMs: draw(3) === 0 ? 500 : undefined,
      access: view ? 'view' : 'copy',
      viewMax: 1,
      delivery: view && blocking && mode !== 'broadcast' && draw(2) === 0 ? 'at_least_once' : 'at_most_once',
    };
    const name = `s${number}`;
    this.#subscriptions.push({ name, subscription });
    this.#records.push(this.bus.subscribe(name, subscription));
  }

  /** Runs what may be killed at one of its next steps. Returns undefined if it was. */
  #mayDie<T>(run: () => T, chance: number, between?: () => void): T | undefined {
    let left = this.#draw(chance) === 0 ? this.#draw(60) : -1;
    let aside = between !== undefined && this.#draw(3) === 0 ? this.#draw(24) : -1;
    this.bus.step = (point) => {
      if (left === 0) throw new Killed();
      left -= 1;
      // Somebody else runs between two steps, most of all where one has to be faster than the other.
      if (aside < 0 || (aside > 0 && !contended.has(point))) return;
      if (this.#draw(2) === 0) aside -= 1;
      if (aside > 0) return;
      aside = -1;
      const { step } = this.bus;
      this.bus.step = () => {};
      between?.();
      this.bus.step = step;
    };
    try {
      return run();
    } catch (error) {
      if (error instanceof Killed) return undefined;
      throw error;
    } finally {
      this.bus.step = () => {};
    }
  }

  /** The router does something, and a successor takes over where it dies. */
  #router(run: () => void): void {
    let done = false;
    this.#mayDie(
      () => {
        run();
        done = true;
      },
      12,
      () => {
        const reader = this.#one(this.#readers);
        if (reader !== undefined && reader !== this.#taking) this.#takeNow(reader);
      },
    );
    while (!done) {
      this.crashes += 1;
      const reader = this.#one(this.#readers);
      // Between two routers the others go on.
      if (reader !== undefined && reader !== this.#taking && this.#draw(2) === 0) this.#takeNow(reader);
      // What was sealed is finished by the successor, and so has happened; what was not has not.
      const sealed = this.#sealed();
      if (sealed) this.#committed();
      this.twin.routerDied(sealed);
      this.#staged = { wanted: 0, delivered: 0, refused: 0 };
      this.#mayDie(() => {
        this.bus.newRouter();
        this.twin.routerFollowed();
        done = true;
      }, 3);
    }
  }

  /** The kernel proves a death; a router that dies over the news has a successor that looks again. */
  #dead(kind: 'producer' | 'consumer', number: number): void {
    const place = seatPlace(this.bus.segment.layout, kind, number);
    const ending: readonly unknown[] = ['live', 'leaving', 'fenced', 'acked'];
    for (let tries = 0; ending.includes(this.bus.stateOf(place)); tries += 1) {
      if (tries === deathsMax) {
        this.problems.push(
          `F1 the seat of ${kind} ${number} is ${this.bus.stateOf(place)} although its holder is dead`,
        );
        return;
      }
      this.#router(() => this.bus.dead(kind, number));
    }
  }

  #sealed(): boolean {
    const { words, layout } = this.bus.segment;
    return words[layout.redo] !== words[layout.redo + 1];
  }

  run(acts: number): void {
    for (let act = 0; act < acts; act += 1) {
      this.#act();
      this.bus.now += this.#draw(30);
    }
    this.#end();
    this.problems.push(...this.twin.problems);
  }

  #act(): void {
    const choice = this.#draw(100);
    if (choice < 30) this.#publish();
    else if (choice < 55) this.#router(() => this.bus.router.poll());
    else if (choice < 82) this.#receive();
    else if (choice < 87) this.#joinConsumer();
    else if (choice < 90) this.#joinProducer();
    else if (choice < 94) this.#endConsumer();
    else if (choice < 96) this.#endProducer();
    else if (choice < 97) this.#change();
  }

  #joinProducer(): void {
    if (this.#writers.filter((it) => it.alive).length >= 2) return;
    const { layout } = this.bus.segment;
    const free = Array.from({ length: layout.sizes.producers }, (_, at) => at).some(
      (at) => this.bus.stateOf(seatPlace(layout, 'producer', at)) === 'free',
    );
    if (!free) return;
    const producer = this.bus.producer();
    this.#life += 1;
    this.#lives.set(producer.seat, this.#life);
    const keys = 1 + this.#draw(4);
    this.#writers.push({ producer, key: (number) => number % keys, alive: true, next: this.#life * 1_000_000 });
  }

  #joinConsumer(): void {
    if (!this.#records.some((it) => this.bus.hasSeatFor(it))) return;
    const record = this.#records[this.#draw(this.#records.length)] ?? 0;
    if (!this.bus.hasSeatFor(record)) return;
    const { place, epoch } = this.bus.request('consumer', record);
    for (let polls = 0; polls < 64 && this.bus.stateOf(place) === 'ready'; polls += 1) {
      this.#router(() => this.bus.router.poll());
    }
    if (this.bus.stateOf(place) !== 'live') {
      this.bus.giveUp(place);
      return;
    }
    const consumer = this.bus.attach(place, epoch, 1 + this.#draw(8));
    this.#readers.push({ consumer, record, received: [], alive: true, unseen: 0 });
  }

  #one<T extends { alive: boolean }>(all: readonly T[]): T | undefined {
    const alive = all.filter((it) => it.alive);
    return alive[this.#draw(alive.length)];
  }

  #publish(): void {
    const writer = this.#one(this.#writers);
    if (writer === undefined) {
      this.#joinProducer();
      return;
    }
    const count = 1 + this.#draw(8);
    const finished = this.#mayDie(() => {
      try {
        for (let number = 0; number < count; number += 1) {
          const topic = this.#topics[this.#draw(this.#topics.length)] ?? 0;
          if (!writer.producer.publish(topic, writer.next, writer.key(writer.next))) break;
          writer.next += 1;
        }
        writer.producer.flush();
      } catch (error) {
        if (!(error instanceof BusError)) throw error;
        writer.alive = false;
      }
      return true;
    }, 60);
    if (finished === undefined) {
      writer.alive = false;
      this.#dead('producer', writer.producer.seat);
    }
  }

  #headOf(lane: number): number {
    const head = this.bus.lane(lane, LaneCursor.head);
    return isFrozen(head, this.bus.lane(lane, LaneCursor.tail)) ? frozen(head) : head;
  }

  #receive(): void {
    const reader = this.#one(this.#readers);
    if (reader !== undefined) this.#take(reader, 40);
  }

  #take(reader: Reader, chance: number): number {
    const { lane } = reader.consumer;
    this.#taking = reader;
    const finished = this.#mayDie(
      () => this.#takeNow(reader),
      chance,
      () => {
        this.bus.router.poll();
      },
    );
    this.#taking = undefined;
    if (finished !== undefined) return finished;
    reader.alive = false;
    this.#dead('consumer', lane);
    return 0;
  }

  /** Receives; what its head says it took, evictions and all that the router moved aside. */
  #takeNow(reader: Reader): number {
    const { lane } = reader.consumer;
    const before = this.#position(lane);
    let messages: readonly Received[] = [];
    let died = true;
    try {
      messages = reader.consumer.receive();
      died = false;
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      died = false;
      reader.alive = false;
    } finally {
      const moved = this.#position(lane) - before;
      if (died) reader.unseen += moved;
      else if (moved !== messages.length) {
        this.problems.push(`O2 lane ${lane} moved by ${moved} for ${messages.length} messages`);
      }
    }
    for (const message of messages) this.#receipt(reader, message);
    return messages.length;
  }

  /** Messages that consumers have taken from a lane, by its words. */
  #position(lane: number): number {
    const word = (field: number): number => this.bus.lane(lane, field);
    const moved = distance(this.#headOf(lane), this.bus.startCursor);
    return moved - word(LaneCursor.droppedOldest) - word(LaneCursor.requeuedOut) - word(LaneCursor.droppedDetached);
  }

  #receipt(reader: Reader, message: Received): void {
    const number = this.#readers.indexOf(reader);
    const { mode } = this.#subscriptions[this.#records.indexOf(reader.record)]?.subscription ?? {};
    const scope = mode === 'broadcast' ? `reader ${number}` : `record ${reader.record}`;
    const identity = `${scope}: ${message.number}`;
    const earlier = this.#receipts.get(identity);
    if (earlier !== undefined && !message.redelivered) {
      this.problems.push(`O2 ${identity} came to reader ${earlier.reader} and ${number}`);
    }
    this.#receipts.set(identity, { ...message, reader: number });
    const last = reader.received.findLast((it) => !it.requeued && !it.redelivered && it.producer === message.producer);
    if (last !== undefined && !message.requeued && !message.redelivered && last.number >= message.number) {
      this.problems.push(`O1 reader ${number} got ${message.number} after ${last.number}`);
    }
    reader.received.push(message);
    const { lane } = reader.consumer;
    this.#seen.set(lane, (this.#seen.get(lane) ?? 0) + 1);
    if (mode === 'keyed') {
      const writer = this.#writers.find(
        (it) => Math.floor(it.next / 1_000_000) === Math.floor(message.number / 1_000_000),
      );
      const key = `${scope} ${Math.floor(message.number / 1_000_000)} ${writer?.key(message.number)}`;
      const before = this.#lastOfKey.get(key) ?? -1;
      if (message.number < before && !message.redelivered) {
        this.problems.push(`O4 key ${key}: ${message.number} after ${before}`);
      }
      this.#lastOfKey.set(key, Math.max(before, message.number));
    }
  }

  #endConsumer(): void {
    const reader = this.#one(this.#readers);
    if (reader === undefined) return;
    const { lane } = reader.consumer;
    const way = this.#draw(4);
    try {
      if (way === 0) {
        reader.consumer.head.close();
        if (this.bus.stateOf(seatPlace(this.bus.segment.layout, 'consumer', lane)) === 'live') {
          reader.consumer.setSeat('leaving');
        } else reader.consumer.acknowledge();
        reader.alive = false;
      } else if (way === 1) {
        reader.alive = false;
        this.#dead('consumer', lane);
      } else if (way === 2) this.#router(() => this.bus.router.apply({ do: 'detach-lane', lane, reason: 'operator' }));
      // A fence whose holder dies without knowing.
      else {
        this.#router(() => this.bus.router.apply({ do: 'detach-lane', lane, reason: 'operator' }));
        for (let polls = this.#draw(3); polls > 0; polls -= 1) this.#router(() => this.bus.router.poll());
        reader.alive = false;
        this.#dead('consumer', lane);
      }
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
    }
  }

  #endProducer(): void {
    const writer = this.#one(this.#writers);
    if (writer === undefined) return;
    const { seat } = writer.producer;
    try {
      const way = this.#draw(3);
      if (way === 0) {
        writer.producer.flush();
        if (this.bus.stateOf(seatPlace(this.bus.segment.layout, 'producer', seat)) === 'live') {
          writer.producer.setSeat('leaving');
        }
        writer.alive = false;
      } else if (way === 1) {
        writer.alive = false;
        this.#dead('producer', seat);
      } else this.#router(() => this.bus.router.apply({ do: 'fence-producer', seat }));
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      writer.alive = false;
    }
  }

  #change(): void {
    const reader = this.#one(this.#readers);
    if (reader === undefined) return;
    const ring = this.bus.segment.layout.sizes.laneRing;
    const lane = (['blocking', 'nonblocking'] as const)[this.#draw(2)] ?? 'blocking';
    const change = this.#draw(2) === 0 ? { lane } : { capacity: 1 + this.#draw(ring / 2) };
    try {
      this.#router(() => this.bus.router.apply({ do: 'change-lane', lane: reader.consumer.lane, change }));
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
    }
  }

  /** Everything that can be received is; then whoever is left goes, and nothing may be left. */
  #end(): void {
    for (const writer of this.#writers) if (writer.alive) this.#quietly(() => writer.producer.flush());
    this.#drain();
    for (const record of this.#records) this.#hear(record);
    this.#drain();
    this.#checkCounts();
    for (const reader of this.#readers) {
      if (!reader.alive) continue;
      this.#quietly(() => reader.consumer.receive());
      reader.alive = false;
      this.#dead('consumer', reader.consumer.lane);
    }
    // What waits in place for a next consumer waits no longer than its subscription.
    for (const { name } of this.#subscriptions) this.bus.router.apply({ do: 'delete-subscription', name });
    // Long enough to look at every source, of which one may never have rung its bell.
    for (let polls = 0; polls < 300; polls += 1) this.bus.router.poll();
    this.#checkSlots();
  }

  /** A consumer for each subscription, for what waits for one. */
  #hear(record: number): void {
    if (!this.bus.hasSeatFor(record)) return;
    const { place, epoch } = this.bus.request('consumer', record);
    for (let polls = 0; polls < 64 && this.bus.stateOf(place) === 'ready'; polls += 1) this.bus.router.poll();
    if (this.bus.stateOf(place) !== 'live') {
      this.bus.giveUp(place);
      return;
    }
    this.#readers.push({ consumer: this.bus.attach(place, epoch, 8), record, received: [], alive: true, unseen: 0 });
  }

  #quietly(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
    }
  }

  #drain(): void {
    let idle = 0;
    for (let round = 0; round < 3000 && idle < 12; round += 1) {
      const taken = this.bus.router.poll();
      this.bus.now += 7;
      let received = 0;
      for (const reader of this.#readers) if (reader.alive) received += this.#take(reader, 1 << 30);
      for (const reader of this.#readers) if (reader.alive) reader.consumer.ack();
      idle = taken + received === 0 ? idle + 1 : 0;
    }
    if (idle < 12) this.problems.push('L1 it does not come to rest');
  }

  #checkCounts(): void {
    const { bus } = this;
    const { wanted, delivered, refused } = this.#counted;
    if (wanted !== delivered + refused) {
      this.problems.push(`A3 ${wanted} wanted, ${delivered} delivered, ${refused} refused`);
    }
    let placed = 0;
    let drops = 0;
    for (let lane = 0; lane < bus.segment.layout.sizes.lanes; lane += 1) {
      const word = (field: number): number => bus.lane(lane, field);
      const first = bus.startCursor;
      const tail = distance(word(LaneCursor.tail), first);
      placed += tail - word(LaneCursor.requeuedIn) - word(LaneCursor.redelivered);
      drops += [
        LaneCursor.droppedNewest,
        LaneCursor.droppedPool,
        LaneCursor.droppedNoCredit,
        LaneCursor.droppedAllFull,
      ].reduce((sum, field) => sum + word(field), 0);
      const recv = this.#position(lane);
      const claimed = this.#seen.get(lane) ?? 0;
      const unseen = this.#readers.reduce((sum, it) => sum + (it.consumer.lane === lane ? it.unseen : 0), 0);
      if (recv !== claimed + unseen) {
        this.problems.push(`A4 lane ${lane}: ${recv} received by its words, ${claimed} in fact and ${unseen} unseen`);
      }
    }
    const { layout, words } = bus.segment;
    for (const record of this.#records) {
      const at = layout.subscriptions + record * subscriptionWords;
      drops += words[at + SubscriptionRecord.droppedNoCredit] ?? 0;
      drops += words[at + SubscriptionRecord.droppedAllFull] ?? 0;
    }
    if (drops !== refused) this.problems.push(`A5 ${drops} drops by the words, ${refused} refused in fact`);
    if (placed !== delivered) this.problems.push(`A3 ${placed} delivered by the words, ${delivered} in fact`);
  }

  #checkSlots(): void {
    const { bus } = this;
    for (let producer = 0; producer < bus.segment.layout.sizes.producers; producer += 1) {
      const away = bus.router.counts.away(producer);
      const taken = distance(bus.source(producer, ProducerCursor.sourceHead), bus.startCursor);
      const returned = distance(bus.source(producer, ProducerCursor.returnTail), bus.startCursor);
      if (this.bus.router.options.noSubscriber === 'drop' && bus.router.sources.depth(producer) !== 0) {
        this.problems.push(`L1 producer ${producer} has ${bus.router.sources.depth(producer)} messages left`);
      }
      if (away !== 0) this.problems.push(`P1 ${away} slots of producer ${producer} are in lanes`);
      if (taken !== returned) {
        const depth = bus.router.sources.depth(producer);
        this.problems.push(`P1 producer ${producer}: ${taken} taken, ${returned} home, ${depth} in its source`);
      }
    }
    for (let lane = 0; lane < bus.segment.layout.sizes.lanes; lane += 1) {
      const tail = bus.lane(lane, LaneCursor.tail);
      if (bus.lane(lane, LaneCursor.reclaimed) !== tail) {
        const state = bus.stateOf(seatPlace(bus.segment.layout, 'consumer', lane));
        this.problems.push(`P1 lane ${lane} keeps ${distance(tail, bus.lane(lane, LaneCursor.reclaimed))}, ${state}`);
      }
    }
  }
}
