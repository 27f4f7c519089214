import type { BusEvent } from '../../../../checkers/indexbus/events.ts';
import {
  cursorWords,
  Header,
  LaneCursor,
  LaneMode,
  ProducerCursor,
  Redo,
  Seat,
} from '../../../../engines/indexbus/layout.ts';
import { Point } from '../../../../engines/indexbus/points.ts';
import { SeatState } from '../../../../engines/indexbus/seat.ts';
import type { BusBook } from './busBook.ts';
import type { Entry, Reader } from './reader.ts';
import type { RecoveryTwin } from './recoveryTwin.ts';
import { Visits } from './visits.ts';

interface Move {
  readonly from: number;
  readonly to: number;
}

interface Taken {
  readonly producer: number;
  readonly sequence: number;
  readonly lanes: readonly number[];
  readonly groups: readonly number[];
}

/** Entries of lanes up to which each commit is looked at for the slots it holds; of fuller ones every so many commits. */
const entriesEachCommit = 256;
const commitsBetweenLooks = 64;
/** What a stand tells, and is told, of a router. */
export interface RouterWatch {
  /** Told once when it polls on and on and moves nothing. */
  readonly onSpin: () => void;
  /** Polls so far in which a fault point has kept it from listening to the bells. */
  readonly leftOut: () => number;
}

/** States of lanes whose messages are the router's to give to others. */
const endingStates: readonly number[] = [SeatState.fenced, SeatState.acked, SeatState.draining];
/** Polls without a sleep in which nothing moves, before it is said that the router spins. */
const pollsMax = 20_000;

/**
 * Watches a router through its steps: the moment that a commit is sealed it reads the redo record and writes down what has happened, from the rings
 * themselves. Nothing of it comes from the router's own book.
 */
export class RouterWitness {
  readonly #book: BusBook;
  readonly #reader: Reader;
  readonly #router: number;
  readonly #batch: () => number;
  readonly #visits: Visits;
  readonly #onSpin: () => void;
  readonly #twin: RecoveryTwin;
  #last = 0;
  #commits = 0;
  #polls = 0;
  #moves = -1;

  /**
   * @param batch messages of a poll, at most
   * @param twin of all routers of the book
   */
  constructor(
    book: BusBook,
    router: number,
    batch: () => number,
    { onSpin, leftOut }: RouterWatch,
    twin: RecoveryTwin,
  ) {
    this.#book = book;
    this.#twin = twin;
    this.#reader = book.reader;
    this.#router = router;
    this.#batch = batch;
    this.#visits = new Visits(book, batch, leftOut);
    this.#onSpin = onSpin;
  }

  /** To be called at each step, before anybody else may run: what stood before the last step is done. */
  step(point: number): void {
    const last = this.#last;
    this.#last = point;
    if (last === Point.seal) this.#sealed();
    else if (last === Point.freeSeat) this.#book.lookForFree();
    else if (last === Point.fenceSeat) {
      this.#book.lookForFenced();
      this.#book.lookForSettled();
    } else if (last === Point.removeSubscription) this.#book.lookForGoneGroups();
    else if (last === Point.seatLive) this.#book.lookForHolders();
    else if (last === Point.writeCut) this.#book.tellCut();
    else if (last === Point.retireSegment) this.#retired();
    else if (point === Point.raiseEpoch) {
      this.#book.routerBegan(this.#router);
      this.#twin.begins();
    }
    if (point === Point.recount) this.#twin.ends();
    if (point === Point.sleep) this.#sleeps();
    else if (point === Point.readDoorbell) this.#polled();
  }

  /** It has said that it sleeps and has looked again: whatever is there now and rings no more would wait for its next look. */
  #sleeps(): void {
    this.#polls = 0;
    const overslept = this.#visits.due();
    if (overslept === undefined) return;
    const who = `router ${this.#router} goes to sleep, and nothing but its sleep keeps the messages of producer ${overslept} in their source`;
    this.#put({ event: 'stuck', who });
  }

  /** A successor that is to route tells so in the header; a recovery that gives up names none. */
  #retired(): void {
    if (this.#reader.word(Header.successor) !== 0) this.#book.tellSourcesLeft();
    else this.#book.damageFound(`router ${this.#router} found the segment damaged when it took over`);
  }

  #polled(): void {
    const { moves } = this.#book;
    this.#polls = moves === this.#moves ? this.#polls + 1 : 0;
    this.#moves = moves;
    if (this.#polls !== pollsMax) return;
    this.#put({
      event: 'stuck',
      who: `router ${this.#router} has polled ${pollsMax} times without a sleep, and nothing moves`,
    });
    this.#onSpin();
  }

  /** The turn has ended, or the process. */
  settle(): void {
    if (this.#last !== 0) this.step(0);
  }

  #put(event: BusEvent): void {
    this.#book.put(event);
  }

  #sealed(): void {
    this.#book.lookForHolders();
    const { layout, words } = this.#reader;
    const values = new Map<number, number>();
    const count = words[layout.redo + Redo.count] ?? 0;
    for (let index = 0; index < count; index += 1) {
      const at = layout.redo + Redo.pairs + index * 2;
      values.set(words[at] ?? 0, words[at + 1] ?? 0);
    }
    this.#put({ event: 'router-wrote', router: this.#router });
    this.#visits.sealed(values);
    const heads = this.#movesOf(values, LaneCursor.head);
    const tails = this.#movesOf(values, LaneCursor.tail);
    this.#writingOver(tails);
    this.#overtaking(heads, tails);
    const left = this.#leaving(heads, tails);
    this.#takingOver(values, tails);
    this.#arriving(values, tails, left);
    this.#after(values);
  }

  /** Entries count until the commit that takes them out is sealed: in their places nothing else may stand before. */
  #writingOver(tails: ReadonlyMap<number, Move>): void {
    const { laneRing } = this.#reader.layout.sizes;
    for (const [lane, { to }] of tails) {
      const entries = ((to - this.#reader.laneCursor(lane, LaneCursor.reclaimed)) | 0) - laneRing;
      if (entries > 0) this.#put({ event: 'written-over', lane: this.#book.ownerOf(lane), entries });
    }
  }

  /** Newer messages that a group of workers gets in this commit before what a lane of it that ends has to give back. */
  #overtaking(heads: ReadonlyMap<number, Move>, tails: ReadonlyMap<number, Move>): void {
    const reader = this.#reader;
    for (let lane = 0; lane < reader.layout.sizes.lanes; lane += 1) {
      if (!endingStates.includes(reader.laneState(lane)) || reader.laneDepth(lane) <= 0) continue;
      const record = reader.laneSeat(lane, Seat.subscription);
      if (this.#book.modeOf(record) !== 'workqueue') continue;
      const to = heads.get(lane)?.to ?? reader.head(lane);
      const isLeft = to !== reader.laneCursor(lane, LaneCursor.tail);
      for (const [other, move] of tails) {
        if (reader.laneSeat(other, Seat.subscription) !== record) continue;
        const entries = [...reader.between(move.from, move.to)].map((cursor) => reader.entry(other, cursor));
        const again = isLeft ? entries.length : entries.findLastIndex(isAgain);
        const newer = entries.find((entry, index) => index < again && !isAgain(entry));
        if (newer === undefined) continue;
        const { producer, sequence } = newer;
        this.#put({ event: 'overtook', lane: this.#book.ownerOf(lane), producer, sequence });
      }
    }
  }

  #movesOf(values: ReadonlyMap<number, number>, field: number): ReadonlyMap<number, Move> {
    const moves = new Map<number, Move>();
    const { layout } = this.#reader;
    for (let lane = 0; lane < layout.sizes.lanes; lane += 1) {
      const to = values.get(layout.laneCursors + lane * cursorWords + field);
      if (to === undefined) continue;
      const isHead = field === LaneCursor.head;
      const before = isHead ? this.#reader.head(lane) : this.#reader.laneCursor(lane, field);
      const value = isHead ? this.#reader.thawed(to, this.#reader.laneCursor(lane, LaneCursor.tail)) : to;
      if (value !== before) moves.set(lane, { from: before, to: value });
    }
    return moves;
  }

  /** What the router took out of lanes: evicted, given to others, lost. Returns the names of what was given to others. */
  #leaving(heads: ReadonlyMap<number, Move>, tails: ReadonlyMap<number, Move>): ReadonlySet<string> {
    const left = new Set<string>();
    const moved = new Set<string>();
    for (const [lane, { from, to }] of tails) {
      for (const cursor of this.#reader.between(from, to)) {
        const it = this.#reader.entry(lane, cursor);
        if (it.requeued || it.redelivered) moved.add(this.#nameIn(lane, it));
      }
    }
    for (const [lane, { from, to }] of heads) {
      const lives = isServed(this.#reader.laneState(lane));
      for (const cursor of this.#reader.between(from, to)) {
        const it = this.#reader.entry(lane, cursor);
        const { producer, sequence } = it;
        const name = this.#nameIn(lane, it);
        const event = lives ? 'evicted' : moved.has(name) ? 'requeued-out' : 'detached';
        if (event === 'requeued-out') left.add(name);
        this.#put({ event, lane: this.#book.ownerOf(lane), producer, sequence });
      }
    }
    return left;
  }

  /** A message in the subscription of a lane: one commit may move it in several. */
  #nameIn(lane: number, { producer, sequence }: Entry): string {
    return `${this.#reader.laneSeat(lane, Seat.subscription)}/${producer}:${sequence}`;
  }

  /** Lanes that get messages and are not served: a joiner is given what they had. */
  #takingOver(values: ReadonlyMap<number, number>, tails: ReadonlyMap<number, Move>): void {
    const { layout } = this.#reader;
    for (const [lane, { from, to }] of tails) {
      if (this.#reader.laneState(lane) !== SeatState.ready) continue;
      const word = layout.laneCursors + lane * cursorWords + LaneCursor.requeuedOut;
      this.#book.takesOver(
        lane,
        (to - from) | 0,
        values.get(word) ?? this.#reader.laneCursor(lane, LaneCursor.requeuedOut),
      );
    }
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
      const { producer, sequence } = it;
      // Its flags tell all that ever happened to it, where it was before what happens now.
      const requeued = left.has(this.#nameIn(lane, it));
      const redelivered = isAgain(it) && !requeued;
      this.#put({ event: 'placed', lane: this.#reader.lane(lane), producer, sequence, requeued, redelivered });
    };
    const placeAgain = (): void => {
      for (const [lane, queue] of queues) while (queue[0] !== undefined && isAgain(queue[0])) place(lane);
    };
    const sources = this.#taken(values);
    placeAgain();
    while (sources.some((source) => source.length > 0)) {
      // The next is one that stands first wherever it stands; in a damaged segment any.
      const first = sources.find(
        ([it]) => it !== undefined && [...queues.values()].every((queue) => isNext(queue, it)),
      );
      const it = (first ?? sources.find((source) => source.length > 0))?.shift();
      if (it === undefined) break;
      this.#put({ event: 'taken', ...it });
      for (const [lane, [entry]] of queues) if (entry !== undefined && isOf(entry, it)) place(lane);
      placeAgain();
    }
    for (const [lane, queue] of queues) while (queue.length > 0) place(lane);
  }

  #taken(values: ReadonlyMap<number, number>): Taken[][] {
    const { layout } = this.#reader;
    const sources: Taken[][] = [];
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
  #wanted(topic: number): { readonly lanes: readonly number[]; readonly groups: readonly number[] } {
    const lanes: number[] = [];
    const groups = new Set<number>();
    for (let lane = 0; lane < this.#reader.layout.sizes.lanes; lane += 1) {
      if (!isServed(this.#reader.laneState(lane))) continue;
      const record = this.#reader.laneSeat(lane, Seat.subscription);
      const mode = this.#book.wantedBy(record, topic);
      if (mode === 'broadcast') lanes.push(this.#reader.lane(lane));
      else if (mode !== undefined) groups.add(record);
    }
    return { lanes, groups: [...groups] };
  }

  /** Depths and shares as the commit leaves them. */
  #after(values: ReadonlyMap<number, number>): void {
    const reader = this.#reader;
    const { layout } = reader;
    const lanes: { lane: number; depth: number; capacity: number; creditLimit: number }[] = [];
    const shared: { lane: number; from: number; tail: number }[] = [];
    let entries = 0;
    for (let lane = 0; lane < layout.sizes.lanes; lane += 1) {
      if (!isServed(reader.laneState(lane))) continue;
      const at = layout.laneCursors + lane * cursorWords;
      const tail = values.get(at + LaneCursor.tail) ?? reader.laneCursor(lane, LaneCursor.tail);
      const staged = values.get(at + LaneCursor.head);
      const head = staged === undefined ? reader.head(lane) : reader.thawed(staged, tail);
      const isView = reader.laneSeat(lane, Seat.access) === 1;
      const from = isView ? reader.laneCursor(lane, LaneCursor.done) : head;
      const depth = (tail - from) | 0;
      const { capacity, creditLimit } = this.#book.limitsOf(lane, depth);
      lanes.push({ lane: reader.lane(lane), depth, capacity, creditLimit });
      if (reader.laneSeat(lane, Seat.mode) & LaneMode.blocking) continue;
      shared.push({ lane, from, tail });
      entries += depth;
    }
    this.#commits += 1;
    const looks = entries <= entriesEachCommit || this.#commits % commitsBetweenLooks === 0;
    this.#put({ event: 'committed', lanes, spare: looks ? this.#spare(shared) : [] });
  }

  #spare(shared: readonly { readonly lane: number; readonly from: number; readonly tail: number }[]) {
    if (shared.length === 0) return [];
    const { producers, slots } = this.#reader.layout.sizes;
    const held = Array.from({ length: producers }, () => new Set<number>());
    for (const { lane, from, tail } of shared) {
      for (const cursor of this.#reader.between(from, tail)) {
        const { owner, slot } = this.#reader.entry(lane, cursor);
        held[owner]?.add(slot);
      }
    }
    return held.flatMap(({ size }, seat) =>
      size === 0 ? [] : [{ producer: this.#reader.producer(seat), slots: slots - size, atLeast: 2 * this.#batch() }],
    );
  }
}

/** Whether a lane in this state gets messages, as far as the router knows. */
function isServed(state: number): boolean {
  return state === SeatState.live || state === SeatState.leaving;
}

function isAgain({ requeued, redelivered }: Entry): boolean {
  return requeued || redelivered;
}

function isOf(entry: Entry, it: { readonly producer: number; readonly sequence: number }): boolean {
  return entry.producer === it.producer && entry.sequence === it.sequence && !isAgain(entry);
}

function isNext(queue: readonly Entry[], it: { readonly producer: number; readonly sequence: number }): boolean {
  return queue.findIndex((entry) => isOf(entry, it)) <= 0;
}
