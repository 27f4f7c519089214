import type { Region } from '../../host/sharedMemory.ts';
import { distance, frozen, isFrozen } from './cursor.ts';
import {
  cursorWords,
  keyBuckets,
  LaneCursor,
  type Layout,
  ProducerCursor,
  Redo,
  redoPairsMax,
  SubscriptionRecord,
  subscriptionsMax,
  subscriptionWords,
} from './layout.ts';
import { Point } from './points.ts';

/** Words of a producer that only commits change, in the order of their numbers. */
const producerWords = [ProducerCursor.sourceHead, ProducerCursor.returnTail, ProducerCursor.noRoute] as const;
export const StagedProducer = { sourceHead: 0, returnTail: 1, noRoute: 2 } as const;
const producerStep = 4;

const laneWords = [
  LaneCursor.head,
  LaneCursor.reclaimed,
  LaneCursor.tail,
  LaneCursor.droppedNewest,
  LaneCursor.droppedOldest,
  LaneCursor.droppedPool,
  LaneCursor.droppedNoCredit,
  LaneCursor.droppedAllFull,
  LaneCursor.droppedDetached,
  LaneCursor.requeuedIn,
  LaneCursor.requeuedOut,
  LaneCursor.redelivered,
  LaneCursor.redelivery,
] as const;
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
} as const;
const laneStep = 16;

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

/** Pairs that one more message may need, whatever it does: the plan ends before the record is that full. */
const marginPairs = 64;

/** Bugs that can be planted here. */
export interface CommitMutants {
  readonly redoHeadBlind: boolean;
}

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
  readonly #mutants: CommitMutants;
  #count = 0;
  #round = 1;
  #sequence: number;

  constructor(region: Region, layout: Layout, mutants: CommitMutants) {
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

  /** Takes all values from the segment: after a recovery, or when a seat's cursors were set outside a commit. */
  reload(): void {
    this.#round += 1;
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
    this.#stagedIn[number] = this.#round;
    this.#dirty[this.#count] = number;
    this.#count += 1;
  }

  add(number: number, more: number): void {
    this.stage(number, ((this.#values[number] ?? 0) + more) | 0);
  }

  /** Sets a value that the segment has already. */
  adopt(number: number, value: number): void {
    this.#values[number] = value;
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
    const { step } = this.#region;
    let at = this.#redo + Redo.pairs;
    step(Point.writeRedo);
    for (let index = 0; index < this.#count; index += 1) {
      const number = this.#dirty[index] ?? 0;
      this.#words[at] = this.#wordOf[number] ?? 0;
      this.#words[at + 1] = this.#values[number] ?? 0;
      at += 2;
    }
    this.#words[this.#redo + Redo.count] = this.#count;
    this.#sequence = (this.#sequence + 1) | 0;
    step(Point.seal);
    Atomics.store(this.#words, this.#redo + Redo.sealed, this.#sequence);
  }

  /** Stores what was sealed. */
  apply(): void {
    this.#store(this.#count);
    this.#region.step(Point.commitDone);
    Atomics.store(this.#words, this.#redo + Redo.done, this.#sequence);
    this.#count = 0;
    this.#round = (this.#round + 1) | 0;
  }

  /** Whether a predecessor sealed a commit and did not end it; then ends it. */
  finishPredecessors(trustUnsealed: boolean): boolean {
    const sealed = Atomics.load(this.#words, this.#redo + Redo.sealed);
    const done = Atomics.load(this.#words, this.#redo + Redo.done);
    if (sealed === done && !trustUnsealed) return false;
    const count = this.#words[this.#redo + Redo.count] ?? 0;
    if (count < 0 || count > redoPairsMax)
      throw new Error(`the redo record tells of ${count} pairs of ${redoPairsMax}`);
    this.#region.step(Point.finishRedo);
    this.#store(count);
    this.#region.step(Point.commitDone);
    Atomics.store(this.#words, this.#redo + Redo.done, sealed);
    this.#sequence = sealed;
    return true;
  }

  #store(count: number): void {
    const { step } = this.#region;
    let at = this.#redo + Redo.pairs;
    for (let index = 0; index < count; index += 1) {
      const word = this.#words[at] ?? 0;
      const value = this.#words[at + 1] ?? 0;
      at += 2;
      if (this.#isHead(word)) {
        step(Point.applyHead);
        this.#storeHead(word, value);
      } else {
        step(Point.apply);
        Atomics.store(this.#words, word, value);
      }
    }
  }

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
