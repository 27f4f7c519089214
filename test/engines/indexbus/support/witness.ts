import { frozen, isFrozen } from '../../../../src/engines/indexbus/cursor.ts';
import {
  cursorWords,
  LaneCursor,
  LaneMode,
  ProducerCursor,
  Redo,
  Seat,
  SubscriptionRecord,
  seatWords,
} from '../../../../src/engines/indexbus/layout.ts';
import { Point } from '../../../../src/engines/indexbus/points.ts';
import type { Entry, Reader } from '../../../../src/scenario/stands/indexbus/witness/reader.ts';
import { Fact, type FactLog } from './facts.ts';

const states = { free: 0, ready: 2, live: 3, leaving: 4, fenced: 6 } as const;

/** What the scenario says of its subscriptions: which topics, by number, and how. */
export interface WitnessedSubscription {
  readonly topics: readonly number[];
  readonly mode: 'broadcast' | 'workqueue' | 'keyed';
}

/** Whether another lane had it before. */
function isAgain({ requeued, redelivered }: Entry): boolean {
  return requeued || redelivered;
}

interface Move {
  readonly from: number;
  readonly to: number;
}

/**
 * Watches a router through its steps: the moment that a commit is sealed it reads the redo record and writes down what has happened, from the rings
 * themselves. Nothing of it comes from the router's own book.
 */
export class RouterWitness {
  readonly #reader: Reader;
  readonly #log: FactLog;
  readonly #subscriptions: readonly WitnessedSubscription[];
  readonly #batch: number;
  readonly #router: number;
  readonly #opened: (seat: number, requeuedOut?: number) => void;
  #last = 0;

  /** @param opened notes that a consumer has a lane, and what its word of requeued messages tells from then on */
  constructor(
    reader: Reader,
    log: FactLog,
    subscriptions: readonly WitnessedSubscription[],
    batch: number,
    router: number,
    opened: (seat: number, requeuedOut?: number) => void,
  ) {
    this.#opened = opened;
    this.#reader = reader;
    this.#log = log;
    this.#subscriptions = subscriptions;
    this.#batch = batch;
    this.#router = router;
  }

  /** To be called at each step, before anybody else may run: what stood before the last step is done. */
  step(point: number): void {
    const last = this.#last;
    this.#last = point;
    if (last === Point.seal) this.#sealed();
    else if (last === Point.freeSeat) this.#freed();
    else if (last === Point.fenceSeat) this.#fenced();
    else if (last === Point.seatLive) this.#live();
  }

  /** Consumers that came to a seat that was not free, and found nothing left there. */
  #live(): void {
    for (let seat = 0; seat < this.#reader.layout.sizes.lanes; seat += 1) {
      if (this.#reader.laneState(seat) === states.live && this.#owner(seat) !== this.#reader.lane(seat)) {
        this.#opened(seat);
      }
    }
  }

  /** Whose the messages of a lane are: of a seat that somebody is about to take they are the former holder's. */
  #owner(seat: number): number {
    const now = this.#reader.lane(seat);
    const isOf = (lane: number): boolean => lane === now;
    return (
      this.#log.last(Fact.laneOpened, isOf) ?? this.#log.last(Fact.laneOpened, (lane) => (lane & 63) === seat) ?? now
    );
  }

  /** The participant has returned. */
  end(): void {
    this.step(0);
  }

  readonly #known = new Map<number, number>();

  /** Lanes that were taken from their consumers. */
  #fenced(): void {
    for (let seat = 0; seat < this.#reader.layout.sizes.lanes; seat += 1) {
      if (this.#reader.laneState(seat) === states.fenced) this.#log.put(Fact.laneFenced, this.#reader.lane(seat));
    }
  }

  /** Seats that were in use and are free now. */
  #freed(): void {
    const { layout } = this.#reader;
    for (let seat = 0; seat < layout.sizes.producers + layout.sizes.lanes; seat += 1) {
      const isProducer = seat < layout.sizes.producers;
      const number = isProducer ? seat : seat - layout.sizes.producers;
      const at = (isProducer ? layout.producerSeats : layout.laneSeats) + number * seatWords;
      const now = this.#reader.word(at);
      if ((now & 15) !== states.free || now >>> 4 === 0 || this.#known.get(seat) === now) continue;
      this.#known.set(seat, now);
      this.#log.put(Fact.seatFreed, isProducer ? 0 : 1, number, now >>> 4);
    }
  }

  #sealed(): void {
    const { layout, words } = this.#reader;
    const values = new Map<number, number>();
    const count = words[layout.redo + Redo.count] ?? 0;
    for (let index = 0; index < count; index += 1) {
      const at = layout.redo + Redo.pairs + index * 2;
      values.set(words[at] ?? 0, words[at + 1] ?? 0);
    }
    this.#log.put(Fact.routerWrote, this.#router);
    const heads = this.#moves(values, LaneCursor.head);
    const tails = this.#moves(values, LaneCursor.tail);
    const left = this.#leaving(heads, tails);
    for (const [lane] of tails) {
      if (this.#reader.laneState(lane) !== states.ready || this.#owner(lane) === this.#reader.lane(lane)) continue;
      const word = layout.laneCursors + lane * cursorWords + LaneCursor.requeuedOut;
      this.#opened(lane, values.get(word) ?? this.#reader.laneCursor(lane, LaneCursor.requeuedOut));
    }
    this.#arriving(values, tails, left);
    this.#after(values);
  }

  #moves(values: ReadonlyMap<number, number>, field: number): ReadonlyMap<number, Move> {
    const moves = new Map<number, Move>();
    const { layout } = this.#reader;
    for (let lane = 0; lane < layout.sizes.lanes; lane += 1) {
      const to = values.get(layout.laneCursors + lane * cursorWords + field);
      if (to === undefined) continue;
      const before = field === LaneCursor.head ? this.#reader.head(lane) : this.#reader.laneCursor(lane, field);
      const tail = this.#reader.laneCursor(lane, LaneCursor.tail);
      const value = field === LaneCursor.head && isFrozen(to, tail) ? frozen(to) : to;
      if (value !== before) moves.set(lane, { from: before, to: value });
    }
    return moves;
  }

  /** What the router took out of lanes: evicted, given to others, lost. Returns the names of what was given to others. */
  #leaving(heads: ReadonlyMap<number, Move>, tails: ReadonlyMap<number, Move>): ReadonlySet<string> {
    const left = new Set<string>();
    const requeued = new Set<string>();
    for (const [lane, { from, to }] of tails) {
      for (const cursor of this.#reader.between(from, to)) {
        const it = this.#reader.entry(lane, cursor);
        if (isAgain(it)) requeued.add(`${it.producer}:${it.sequence}`);
      }
    }
    for (const [lane, { from, to }] of heads) {
      const state = this.#reader.laneState(lane);
      const lives = state === states.live || state === states.leaving;
      const owner = this.#owner(lane);
      for (const cursor of this.#reader.between(from, to)) {
        const it = this.#reader.entry(lane, cursor);
        const name = `${it.producer}:${it.sequence}`;
        const kind = lives ? Fact.evicted : requeued.has(name) ? Fact.requeuedOut : Fact.detached;
        if (kind === Fact.requeuedOut) left.add(name);
        this.#log.put(kind, owner, it.producer, it.sequence);
      }
    }
    return left;
  }

  /** What came into lanes, and the messages that were taken, in an order in which every lane has them as they stand there. */
  #arriving(values: ReadonlyMap<number, number>, tails: ReadonlyMap<number, Move>, left: ReadonlySet<string>): void {
    const queues = new Map<number, Entry[]>();
    for (const [lane, { from, to }] of tails) {
      queues.set(
        lane,
        [...this.#reader.between(from, to)].map((cursor) => this.#reader.entry(lane, cursor)),
      );
    }
    const place = (lane: number): void => {
      const it = queues.get(lane)?.shift();
      if (it === undefined) return;
      // Its flags tell all that ever happened to it, where it was before what happens now.
      const requeued = left.has(`${it.producer}:${it.sequence}`) ? 1 : 0;
      const redelivered = isAgain(it) && requeued === 0 ? 1 : 0;
      this.#log.put(Fact.placed, this.#reader.lane(lane), it.producer, it.sequence, requeued, redelivered);
    };
    const placeAgain = (): void => {
      for (const [lane, queue] of queues) while (queue[0] !== undefined && isAgain(queue[0])) place(lane);
    };
    const sources = this.#taken(values);
    placeAgain();
    while (sources.some((source) => source.length > 0)) {
      // The next is one that stands first wherever it stands; in a damaged segment any.
      const first = sources.find((source) => {
        const it = source[0];
        if (it === undefined) return false;
        return [...queues.values()].every((queue) => {
          const at = queue.findIndex(
            (entry) => entry.producer === it.producer && entry.sequence === it.sequence && !isAgain(entry),
          );
          return at <= 0;
        });
      });
      const it = (first ?? sources.find((source) => source.length > 0))?.shift();
      if (it === undefined) break;
      this.#log.put(Fact.taken, it.producer, it.sequence, it.lanes, it.groups);
      for (const [lane, queue] of queues) {
        const entry = queue[0];
        if (entry?.producer === it.producer && entry.sequence === it.sequence && !isAgain(entry)) place(lane);
      }
      placeAgain();
    }
    for (const [lane, queue] of queues) while (queue.length > 0) place(lane);
  }

  #taken(values: ReadonlyMap<number, number>) {
    const { layout } = this.#reader;
    const sources: { producer: number; sequence: number; lanes: number; groups: number }[][] = [];
    for (let seat = 0; seat < layout.sizes.producers; seat += 1) {
      const to = values.get(layout.producerCursors + seat * cursorWords + ProducerCursor.sourceHead);
      if (to === undefined) continue;
      const from = this.#reader.producerCursor(seat, ProducerCursor.sourceHead);
      sources.push(
        [...this.#reader.between(from, to)].map((cursor) => {
          const { topic, sequence } = this.#reader.source(seat, cursor);
          return { producer: this.#reader.producer(seat), sequence, ...this.#wanted(topic) };
        }),
      );
    }
    return sources;
  }

  /** Lanes and groups that should have a message of the topic. */
  #wanted(topic: number): { readonly lanes: number; readonly groups: number } {
    let lanes = 0;
    let groups = 0;
    for (let lane = 0; lane < this.#reader.layout.sizes.lanes; lane += 1) {
      const state = this.#reader.laneState(lane);
      if (state !== states.live && state !== states.leaving) continue;
      const record = this.#reader.laneSeat(lane, Seat.subscription);
      const subscription = this.#subscriptions[record];
      if (!subscription?.topics.includes(topic)) continue;
      if (subscription.mode === 'broadcast') lanes |= 1 << lane;
      else groups |= 1 << record;
    }
    return { lanes, groups };
  }

  /** Depths and shares as the commit leaves them. */
  #after(values: ReadonlyMap<number, number>): void {
    const reader = this.#reader;
    const { layout } = reader;
    const held = Array.from({ length: layout.sizes.producers }, () => new Set<number>());
    let sharing = false;
    for (let lane = 0; lane < layout.sizes.lanes; lane += 1) {
      const state = reader.laneState(lane);
      if (state !== states.live && state !== states.leaving) continue;
      const at = layout.laneCursors + lane * cursorWords;
      const tail = values.get(at + LaneCursor.tail) ?? reader.laneCursor(lane, LaneCursor.tail);
      const staged = values.get(at + LaneCursor.head);
      const head = staged === undefined ? reader.head(lane) : isFrozen(staged, tail) ? frozen(staged) : staged;
      const view = reader.laneSeat(lane, Seat.access) === 1;
      const from = view ? reader.laneCursor(lane, LaneCursor.done) : head;
      const capacity = reader.laneSeat(lane, Seat.capacityOrRate);
      this.#log.put(
        Fact.depth,
        reader.lane(lane),
        (tail - from) | 0,
        capacity,
        reader.laneSeat(lane, Seat.creditLimit),
      );
      if (reader.laneSeat(lane, Seat.mode) & LaneMode.blocking) continue;
      sharing = true;
      for (const cursor of reader.between(from, tail)) {
        const it = reader.entry(lane, cursor);
        held[it.owner]?.add(it.slot);
      }
    }
    held.forEach((slots, seat) => {
      if (sharing) this.#log.put(Fact.spare, reader.producer(seat), layout.sizes.slots - slots.size, 2 * this.#batch);
    });
    this.#log.put(Fact.committed);
  }
}

/** Watches a producer: what it published is a fact when its descriptor is written, what it flushed when its tail is stored. */
export class ProducerWitness {
  readonly #log: FactLog;
  readonly #producer: number;
  #last = 0;
  #published = 0;
  /** What the call under way publishes. */
  message = { topic: 0, key: 0, byteLength: 0, checksum: 0 };

  constructor(log: FactLog, producer: number) {
    this.#log = log;
    this.#producer = producer;
  }

  step(point: number): void {
    const last = this.#last;
    this.#last = point;
    if (last === Point.writeDescriptor) {
      const { topic, key, byteLength, checksum } = this.message;
      this.#log.put(Fact.published, this.#producer, this.#published, topic, key, byteLength, checksum);
      this.#published += 1;
    } else if (last === Point.storeTail) this.#log.put(Fact.flushed, this.#producer, this.#published);
    // Whether it could say so or was fenced before: it writes no more.
    else if (last === Point.seatLeaving) this.#log.put(Fact.producerOver, this.#producer);
  }

  /** The call under way has returned. */
  end(): void {
    this.step(0);
  }
}

/** Watches a consumer: a claim that succeeded is a fact before its messages are handed over. */
export class ConsumerWitness {
  readonly #reader: Reader;
  readonly #log: FactLog;
  readonly #seat: number;
  readonly #lane: number;
  #last = 0;
  #head = 0;

  constructor(reader: Reader, log: FactLog, seat: number, lane: number) {
    this.#reader = reader;
    this.#log = log;
    this.#seat = seat;
    this.#lane = lane;
  }

  /** Where the consumer believes that its head is, told before a claim. */
  position: () => number = () => 0;

  step(point: number): void {
    const last = this.#last;
    this.#last = point;
    if (last === Point.claimHead && point === Point.consumerWakesRouter) {
      const now = this.#reader.laneCursor(this.#seat, LaneCursor.head);
      for (const cursor of this.#reader.between(this.#head, now)) {
        const { producer, sequence } = this.#reader.entry(this.#seat, cursor);
        this.#log.put(Fact.claimed, this.#lane, producer, sequence);
      }
    } else if (last === Point.storeDone) this.#log.put(Fact.through, this.#lane);
    // Whether it could say so or was fenced before: it writes no more.
    else if (last === Point.seatLeaving) this.#log.put(Fact.laneOver, this.#lane, 0);
    if (point === Point.claimHead) this.#head = this.position();
  }

  end(): void {
    this.step(0);
  }
}

/** What the bus tells of its lanes' drop words, for the checks. */
export function groupWord(reader: Reader, record: number, field: number): number {
  return reader.word(reader.layout.subscriptions + record * 256 + field);
}

export const GroupWord = {
  noCredit: SubscriptionRecord.droppedNoCredit,
  allFull: SubscriptionRecord.droppedAllFull,
  detached: SubscriptionRecord.droppedDetached,
} as const;
