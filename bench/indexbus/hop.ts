/** A source without a router: the bus's own producer, and a reader that stands where the router would. What is left is one ring in one process's memory. */

import { copyPairs, pairsOf } from '../../src/engines/indexbus/copyWords.ts';
import type { Segment } from '../../src/engines/indexbus/index.ts';
import { Header, ProducerCursor, slotHeaderWords } from '../../src/engines/indexbus/layout.ts';
import { Publisher } from '../../src/engines/indexbus/producer.ts';
import { seatPlace } from '../../src/engines/indexbus/seatPlaces.ts';
import { Waiting } from '../../src/engines/indexbus/waiting.ts';
import type { Host } from '../../src/host/host.ts';
import { batchMost, messageWords } from './message.ts';
import { hopEpoch } from './stage.ts';

const headerWords = slotHeaderWords;
const messagePairs = messageWords / 2;
const noMutants = { sleepWithoutLook: false, tailBeforePayload: false };

/** A producer on a seat of its own, and its waiting for slots. */
export function hopPublisher(segment: Segment, host: Host, number: number, flushEvery: number, spins: number) {
  const { region, layout } = segment;
  const place = seatPlace(layout, 'producer', number);
  const options = { flushEvery, creditLimit: 0, checked: false, atEndOfTurn: () => undefined };
  const publisher = new Publisher(region, layout, host, place, hopEpoch, options, () => undefined, noMutants);
  const flag = place.cursors + ProducerCursor.waiting;
  const waiting = new Waiting(region, host, flag, place.wake, () => publisher.hasNews(), spins, noMutants);
  return { publisher, waiting };
}

/** Takes messages out of a source and sends their slots home. */
export class SourceReader {
  /** Payloads of the last batch. */
  readonly payloads = new Int32Array(batchMost * messageWords);
  readonly #payloadPairs = pairsOf(this.payloads);
  readonly #segment: Segment;
  readonly #words: Int32Array;
  readonly #pairs: BigInt64Array;
  readonly #cursors: number;
  readonly #ring: number;
  readonly #returns: number;
  readonly #pool: number;
  readonly #slotWords: number;
  readonly #mask: number;
  readonly #bell: number;
  #head: number;
  #returnTail: number;

  constructor(segment: Segment, number: number) {
    const { words, layout } = segment;
    this.#segment = segment;
    this.#words = words;
    this.#pairs = pairsOf(words);
    this.#cursors = layout.producerCursors + number * 64;
    this.#ring = layout.sources + number * layout.sourceStep;
    this.#returns = layout.returns + number * layout.returnStep;
    this.#pool = layout.pools + number * layout.poolStep;
    this.#slotWords = layout.slotWords;
    this.#mask = layout.sizes.slots - 1;
    this.#bell = 1 << number;
    this.#head = Atomics.load(words, this.#cursors + ProducerCursor.sourceHead);
    this.#returnTail = Atomics.load(words, this.#cursors + ProducerCursor.returnTail);
  }

  has(): boolean {
    return Atomics.load(this.#words, this.#cursors + ProducerCursor.sourceTail) !== this.#head;
  }

  /** Copies up to a batch out; how many. */
  take(): number {
    const words = this.#words;
    const tail = Atomics.load(words, this.#cursors + ProducerCursor.sourceTail);
    const count = Math.min((tail - this.#head) | 0, batchMost);
    if (count === 0) return 0;
    if ((Atomics.load(words, Header.doorbell) & this.#bell) !== 0) Atomics.and(words, Header.doorbell, ~this.#bell);
    const pairs = this.#pairs;
    const payloads = this.#payloadPairs;
    const head = this.#head;
    const returnTail = this.#returnTail;
    const mask = this.#mask;
    const ring = this.#ring;
    const returns = this.#returns;
    const pool = this.#pool + headerWords;
    const slotWords = this.#slotWords;
    for (let index = 0; index < count; index += 1) {
      const slot = words[ring + ((head + index) & mask) * 4] ?? 0;
      copyPairs(pairs, (pool + slot * slotWords) >> 1, payloads, index * messagePairs, messagePairs);
      words[returns + ((returnTail + index) & mask)] = slot;
    }
    this.#head = (this.#head + count) | 0;
    this.#returnTail = (this.#returnTail + count) | 0;
    Atomics.store(words, this.#cursors + ProducerCursor.sourceHead, this.#head);
    Atomics.store(words, this.#cursors + ProducerCursor.returnTail, this.#returnTail);
    if (Atomics.load(words, this.#cursors + ProducerCursor.waiting) !== 0) {
      Atomics.add(words, this.#cursors + ProducerCursor.wake, 1);
      this.#segment.region.wake(this.#cursors + ProducerCursor.wake, 1);
    }
    return count;
  }
}

/** What a reader sleeps on: the word that a flush wakes. */
export function hopWaiting(segment: Segment, host: Host, look: () => boolean, spins: number): Waiting {
  const { region } = segment;
  return new Waiting(region, host, Header.routerSleeping, Header.routerWake, look, spins, noMutants);
}
