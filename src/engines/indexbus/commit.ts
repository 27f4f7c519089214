import type { Region } from '../../host/sharedMemory.ts';
import { distance, frozen, isFrozen } from './cursor.ts';
import { BusError } from './errors.ts';
import {
  cursorWords,
  keyBuckets,
  LaneCursor,
  type Layout,
  laneCounters,
  ProducerCursor,
  Redo,
  redoPairsMax,
  Seat,
  SubscriptionRecord,
  seatWords,
  subscriptionsMax,
  subscriptionWords,
} from './layout.ts';
import type { IndexbusMutantFlags } from './mutants.ts';
import { Point } from './points.ts';

/** Words of a producer that only commits change, in the order of their numbers. */
const producerWords = [ProducerCursor.sourceHead, ProducerCursor.returnTail, ProducerCursor.noRoute] as const;
export const StagedProducer = { sourceHead: 0, returnTail: 1, noRoute: 2 } as const;
const producerStep = 4;

const laneWords = [
  LaneCursor.head,
  LaneCursor.reclaimed,
  LaneCursor.tail,
  ...laneCounters.map((name) => LaneCursor[name]),
  LaneCursor.redelivery,
];
export const StagedLane = {
  head: 0,
  reclaimed: 1,
  tail: 2,
  droppedNewest: 3,
  droppedOldest: 4,
  droppedPool: 5,
  droppedNoCredit: 6,
  droppedAllFull: 7,
  droppedDetached: 8,
  requeuedIn: 9,
  requeuedOut: 10,
  redelivered: 11,
  redelivery: 12,
  mode: 13,
  capacity: 14,
  creditLimit: 15,
  detachAfterMs: 16,
} as const;
/** Words of a lane's seat, behind those of its cursors: what an operator changes is changed as a whole. */
const termWords = [Seat.mode, Seat.capacityOrRate, Seat.creditLimit, Seat.detachAfterMs] as const;
const laneStep = 20;

const subscriptionCounters = [
  SubscriptionRecord.droppedNoCredit,
  SubscriptionRecord.droppedAllFull,
  SubscriptionRecord.droppedDetached,
  SubscriptionRecord.requeued,
  SubscriptionRecord.redelivered,
] as const;
export const StagedSubscription = {
  droppedNoCredit: 0,
  droppedAllFull: 1,
  droppedDetached: 2,
  requeued: 3,
  redelivered: 4,
  /** From here on the words of the buckets' owners. */
  owners: 8,
} as const;
const ownerWords = keyBuckets / 4;
const subscriptionStep = StagedSubscription.owners + ownerWords;

/**
 * Pairs that one more message may need, whatever it does, in the largest segment: of 64 lanes each its head, tail, reclaimed and a cause, of 64
 * subscriptions a cause and a bucket's owner, of 64 producers what comes home. The plan ends before the record has no room for them.
 */
const marginPairs = 64 * 4 + 64 * 2 + 64 * 2;

/**
 * The words that only the router changes, as its next commit leaves them: staged while it plans, sealed as (word, value) pairs into the redo record,
 * then applied. After `sealed` is stored the commit has happened, whoever stores its words; before, nothing has. This is redo logging of
 * physical words (Gray and Reuter, Transaction Processing, chapter 10) with one record and no log.
 *
 * Words have numbers of their own here, dense, so that a stage costs an array's element.
 */
export class Commit {
  /** First numbers of the parts. */
  readonly #lanes: number;
  readonly #subscriptions: number;
  readonly #words: Int32Array;
  readonly #region: Region;
  readonly #redo: number;
  readonly #layout: Layout;
  /** Word of the segment by number, -1 for a number that stands for none. */
  readonly #wordOf: Int32Array;
  readonly #values: Int32Array;
  readonly #stagedIn: Int32Array;
  readonly #dirty: Int32Array;
  readonly #mutants: Pick<IndexbusMutantFlags, 'redoHeadBlind'>;
  #count = 0;
  #round = 1;
  #sequence: number;

  constructor(region: Region, layout: Layout, mutants: Pick<IndexbusMutantFlags, 'redoHeadBlind'>) {
    this.#region = region;
    this.#words = region.words;
    this.#layout = layout;
    this.#redo = layout.redo;
    this.#mutants = mutants;
    const { producers, lanes } = layout.sizes;
    this.#lanes = producers * producerStep;
    this.#subscriptions = this.#lanes + lanes * laneStep;
    const total = this.#subscriptions + subscriptionsMax * subscriptionStep;
    this.#wordOf = new Int32Array(total).fill(-1);
    this.#values = new Int32Array(total);
    this.#stagedIn = new Int32Array(total);
    this.#dirty = new Int32Array(redoPairsMax);
    this.#number(layout);
    this.#sequence = Atomics.load(this.#words, this.#redo + Redo.done);
    this.reload();
  }

  #number(layout: Layout): void {
    const { producers, lanes } = layout.sizes;
    for (let producer = 0; producer < producers; producer += 1) {
      producerWords.forEach((word, index) => {
        this.#wordOf[producer * producerStep + index] = layout.producerCursors + producer * cursorWords + word;
      });
    }
    for (let lane = 0; lane < lanes; lane += 1) {
      laneWords.forEach((word, index) => {
        this.#wordOf[this.#lanes + lane * laneStep + index] = layout.laneCursors + lane * cursorWords + word;
      });
      termWords.forEach((word, index) => {
        this.#wordOf[this.lane(lane, StagedLane.mode + index)] = layout.laneSeats + lane * seatWords + word;
      });
    }
    for (let record = 0; record < subscriptionsMax; record += 1) {
      const from = this.#subscriptions + record * subscriptionStep;
      const at = layout.subscriptions + record * subscriptionWords;
      subscriptionCounters.forEach((word, index) => {
        this.#wordOf[from + index] = at + word;
      });
      for (let word = 0; word < ownerWords; word += 1) {
        this.#wordOf[from + StagedSubscription.owners + word] = at + SubscriptionRecord.owners + word;
      }
    }
  }

  /** Takes all values from the segment: after a recovery. */
  reload(): void {
    this.#round = (this.#round + 1) | 0;
    this.#count = 0;
    for (let number = 0; number < this.#wordOf.length; number += 1) {
      const word = this.#wordOf[number] ?? -1;
      if (word < 0) continue;
      const value = Atomics.load(this.#words, word);
      this.#values[number] = this.#isHead(word) ? this.#thawed(word, value) : value;
    }
  }

  producer(producer: number, field: number): number {
    return producer * producerStep + field;
  }

  lane(lane: number, field: number): number {
    return this.#lanes + lane * laneStep + field;
  }

  subscription(record: number, field: number): number {
    return this.#subscriptions + record * subscriptionStep + field;
  }

  /** The value as the commit under way leaves it. */
  value(number: number): number {
    return this.#values[number] ?? 0;
  }

  /** Gives a word its new value. */
  stage(number: number, value: number): void {
    this.#values[number] = value;
    if (this.#stagedIn[number] === this.#round) return;
    if (this.#count >= redoPairsMax) throw new Error(`a commit changes more than ${redoPairsMax} words`);
    this.#stagedIn[number] = this.#round;
    this.#dirty[this.#count] = number;
    this.#count += 1;
  }

  add(number: number, more: number): void {
    this.stage(number, ((this.#values[number] ?? 0) + more) | 0);
  }

  /** Sets a word at once, outside a commit: cursors of a seat that nobody holds yet. */
  adopt(number: number, value: number): void {
    if (this.#stagedIn[number] === this.#round) throw new Error('a word that is staged cannot be set at once');
    this.#values[number] = value;
    Atomics.store(this.#words, this.#wordOf[number] ?? 0, value);
  }

  /** Whether the record has no room for what one more message may change. */
  get full(): boolean {
    return this.#count > redoPairsMax - marginPairs;
  }

  get empty(): boolean {
    return this.#count === 0;
  }

  /** Writes the pairs and seals them: from the last store on the commit has happened. */
  seal(): void {
    const words = this.#words;
    let at = this.#redo + Redo.pairs;
    this.#region.step(Point.writeRedo);
    for (let index = 0; index < this.#count; index += 1) {
      const number = this.#dirty[index] ?? 0;
      words[at] = this.#wordOf[number] ?? 0;
      words[at + 1] = this.#values[number] ?? 0;
      at += 2;
    }
    words[this.#redo + Redo.count] = this.#count;
    this.#sequence = (this.#sequence + 1) | 0;
    this.#region.step(Point.seal);
    Atomics.store(words, this.#redo + Redo.sealed, this.#sequence);
  }

  /** Stores what was sealed. */
  apply(): void {
    this.#store(this.#count);
    this.#region.step(Point.commitDone);
    Atomics.store(this.#words, this.#redo + Redo.done, this.#sequence);
    this.#count = 0;
    this.#round = (this.#round + 1) | 0;
  }

  /**
   * Whether a predecessor sealed a commit and did not end it; then ends it. Throws IB_CORRUPT where the record is none that a router can have
   * written.
   *
   * @param trustUnsealed a planted bug: also what was not sealed
   */
  finishPredecessors(trustUnsealed: boolean): boolean {
    const sealed = Atomics.load(this.#words, this.#redo + Redo.sealed);
    const done = Atomics.load(this.#words, this.#redo + Redo.done);
    if (sealed === done && !trustUnsealed) return false;
    const count = this.#words[this.#redo + Redo.count] ?? 0;
    this.#checkRecord(count);
    this.#region.step(Point.finishRedo);
    this.#store(count);
    this.#region.step(Point.commitDone);
    Atomics.store(this.#words, this.#redo + Redo.done, sealed);
    this.#sequence = sealed;
    return sealed !== done;
  }

  #checkRecord(count: number): void {
    if (count < 0 || count > redoPairsMax) {
      throw new BusError('IB_CORRUPT', 'the redo record is damaged', {
        expected: `0 to ${redoPairsMax} pairs`,
        got: String(count),
      });
    }
    const known = new Set(this.#wordOf);
    for (let index = 0; index < count; index += 1) {
      const word = this.#words[this.#redo + Redo.pairs + 2 * index] ?? -1;
      if (word < 0 || !known.has(word)) {
        throw new BusError('IB_CORRUPT', 'the redo record is damaged', {
          expected: 'words that commits change',
          got: `word ${word}`,
        });
      }
    }
  }

  #store(count: number): void {
    const words = this.#words;
    let at = this.#redo + Redo.pairs;
    for (let index = 0; index < count; index += 1) {
      const word = words[at] ?? 0;
      const value = words[at + 1] ?? 0;
      at += 2;
      if (this.#isHead(word)) {
        this.#region.step(Point.applyHead);
        this.#storeHead(word, value);
      } else {
        this.#region.step(Point.apply);
        Atomics.store(words, word, value);
      }
      if (this.midway !== undefined && index === count >> 1) this.midway();
    }
  }

  /** A planted bug: called between the words of a commit. */
  midway: (() => void) | undefined = undefined;

  /** A head is stored only while it is frozen: once it was thawed its consumer may have moved it. */
  #storeHead(word: number, value: number): void {
    const there = Atomics.load(this.#words, word);
    if (!this.#mutants.redoHeadBlind && this.#thawed(word, there) === there) return;
    Atomics.store(this.#words, word, value);
  }

  /** The head without the freeze. */
  #thawed(word: number, head: number): number {
    const tail = Atomics.load(this.#words, word - LaneCursor.head + LaneCursor.tail);
    return isFrozen(head, tail) ? frozen(head) : head;
  }

  #isHead(word: number): boolean {
    const from = distance(word, this.#layout.laneCursors);
    return from >= 0 && from < this.#layout.sizes.lanes * cursorWords && from % cursorWords === LaneCursor.head;
  }
}
