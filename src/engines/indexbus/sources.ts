import type { Region } from '../../host/sharedMemory.ts';
import { type Commit, StagedProducer } from './commit.ts';
import { advanced, distance } from './cursor.ts';
import { bytesOf, topicOf } from './descriptor.ts';
import type { Lanes } from './lanes.ts';
import { cursorWords, Header, type Layout, ProducerCursor, payloadBytesMax } from './layout.ts';
import { Placed, type Placing } from './placing.ts';
import { Point } from './points.ts';
import { noRoute, type Route } from './routes.ts';

/** What a source is to the router. */
export const SourceLife = {
  none: 0,
  live: 1,
  /** Its producer is gone: what it flushed is still routed. */
  ending: 2,
} as const;

/** Bugs that can be planted here. */
export interface SourceMutants {
  readonly doorbellLateClear: boolean;
  readonly noFullScan: boolean;
}

/** What looks on: metrics, and the order of events that a twin follows. */
export interface SourceObserver {
  /** A message was taken: where it went is in the lanes. `wanted` lanes and groups matched, `delivered` of them have it. */
  taken(producer: number, sequence: number, topic: number, wanted: number, delivered: number): void;
  parked(producer: number): void;
}

/** A descriptor or a cursor that no producer can have written: its seat has to be fenced. */
export class SourceCorrupt extends Error {
  override readonly name = 'SourceCorrupt';
  readonly producer: number;

  constructor(producer: number, what: string) {
    super(`producer ${producer}: ${what}`);
    this.producer = producer;
  }
}

/** Polls between two looks at all sources: a producer may have died between its flush and its doorbell. */
const fullScanEvery = 64;

/** The sources, one a producer: which have something, whose turn it is, what may be taken. */
export class Sources {
  readonly life: Uint8Array;
  /** Where the source ends for a fenced producer. */
  readonly endsAt: Int32Array;
  readonly ends: Uint8Array;
  /** Messages that the producer's rate allows until the next allowance; -1 for no limit. */
  readonly allowance: Float64Array;
  readonly #region: Region;
  readonly #words: Int32Array;
  readonly #layout: Layout;
  readonly #commit: Commit;
  readonly #lanes: Lanes;
  readonly #placing: Placing;
  readonly #mutants: SourceMutants;
  readonly #observer: SourceObserver;
  readonly #slotMask: number;
  readonly #payloadMax: number;
  /** Sources that may have something. */
  readonly #pending: Uint8Array;
  #next = 0;
  #sinceScan = 0;

  constructor(
    region: Region,
    layout: Layout,
    commit: Commit,
    lanes: Lanes,
    placing: Placing,
    mutants: SourceMutants,
    observer: SourceObserver,
  ) {
    this.#region = region;
    this.#words = region.words;
    this.#layout = layout;
    this.#commit = commit;
    this.#lanes = lanes;
    this.#placing = placing;
    this.#mutants = mutants;
    this.#observer = observer;
    const { producers, slots } = layout.sizes;
    this.life = new Uint8Array(producers);
    this.ends = new Uint8Array(producers);
    this.endsAt = new Int32Array(producers);
    this.allowance = new Float64Array(producers).fill(-1);
    this.#pending = new Uint8Array(producers);
    this.#slotMask = slots - 1;
    this.#payloadMax = payloadBytesMax(layout.sizes);
  }

  get count(): number {
    return this.life.length;
  }

  /** All are looked at in the next poll. */
  suspectAll(): void {
    this.#pending.fill(1);
    this.#sinceScan = 0;
  }

  /** Reads the doorbells. Each is cleared before its source's tail is read, so that none that rings after is missed. */
  listen(): void {
    this.#sinceScan += 1;
    if (this.#sinceScan >= fullScanEvery && !this.#mutants.noFullScan) this.suspectAll();
    for (let half = 0; half < 2; half += 1) {
      this.#region.step(Point.readDoorbell);
      const word = Header.doorbell + half;
      const bits = Atomics.load(this.#words, word);
      if (bits === 0) continue;
      if (!this.#mutants.doorbellLateClear) {
        this.#region.step(Point.clearDoorbell);
        this.#mark(half, Atomics.exchange(this.#words, word, 0));
      } else this.#mark(half, bits);
    }
  }

  #mark(half: number, bits: number): void {
    for (let bit = 0; bit < 32; bit += 1) {
      const producer = half * 32 + bit;
      if ((bits >>> bit) & 1 && producer < this.#pending.length) this.#pending[producer] = 1;
    }
  }

  /** Messages that the source has, flushed and not taken. */
  depth(producer: number): number {
    const head = this.#commit.value(this.#commit.producer(producer, StagedProducer.sourceHead));
    return distance(this.#tail(producer), head);
  }

  #tail(producer: number): number {
    if (this.ends[producer]) return this.endsAt[producer] ?? 0;
    const tail = Atomics.load(
      this.#words,
      this.#layout.producerCursors + producer * cursorWords + ProducerCursor.sourceTail,
    );
    return tail;
  }

  /** Whether the last plan has to end before its budget: the commit is full, or a lane has no room for the moment. */
  planEnded = false;

  /**
   * Takes up to `budget` messages from the sources that have some, each in turn first, and returns how many.
   *
   * @param routes by topic; a topic beyond them is nobody's
   */
  take(budget: number, routes: readonly Route[], topics: number, holdUnwanted: boolean): number {
    const { count } = this;
    this.planEnded = false;
    let left = budget;
    const first = this.#next;
    for (let turn = 0; turn < count && left > 0 && !this.planEnded; turn += 1) {
      const producer = (first + turn) % count;
      if (!this.#pending[producer] || this.life[producer] === SourceLife.none) continue;
      left -= this.#takeFrom(producer, left, routes, topics, holdUnwanted);
      this.#next = this.planEnded ? producer : (producer + 1) % count;
    }
    return budget - left;
  }

  #takeFrom(producer: number, budget: number, routes: readonly Route[], topics: number, holdUnwanted: boolean): number {
    const number = this.#commit.producer(producer, StagedProducer.sourceHead);
    this.#region.step(Point.readSource);
    const tail = this.#tail(producer);
    let head = this.#commit.value(number);
    const waiting = distance(tail, head);
    if (waiting < 0 || waiting > this.#slotMask + 1) {
      throw new SourceCorrupt(
        producer,
        `its tail is ${tail >>> 0}, expected up to ${this.#slotMask + 1} above ${head >>> 0}`,
      );
    }
    let left = budget;
    const ring = this.#layout.sources + producer * this.#layout.sourceStep;
    const from = head;
    while (head !== tail && left > 0) {
      if (this.#commit.full) {
        this.planEnded = true;
        break;
      }
      if (this.allowance[producer] !== -1 && (this.allowance[producer] ?? 0) < 1) break;
      const at = ring + (head & this.#slotMask) * 4;
      const slot = this.#words[at] ?? 0;
      const word1 = this.#words[at + 1] ?? 0;
      const word2 = this.#words[at + 2] ?? 0;
      const word3 = this.#words[at + 3] ?? 0;
      const topic = topicOf(word2);
      if (slot < 0 || slot > this.#slotMask || bytesOf(word1) > this.#payloadMax || topic >= topics) {
        throw new SourceCorrupt(
          producer,
          `its message ${word3 >>> 0} names slot ${slot}, ${bytesOf(word1)} bytes, topic ${topic}; expected below ${this.#slotMask + 1}, up to ${this.#payloadMax}, below ${topics}`,
        );
      }
      const route = routes[topic] ?? noRoute;
      const wanted = route.broadcast.length + route.groups.length;
      if (wanted === 0) {
        if (holdUnwanted) {
          this.#observer.parked(producer);
          break;
        }
        this.#commit.add(this.#commit.producer(producer, StagedProducer.noRoute), 1);
        this.#lanes.sendHome(producer, slot);
        this.#observer.taken(producer, word3, topic, 0, 0);
      } else {
        const placed = this.#placing.place(route, producer, slot, word1, word2, word3);
        if (placed === Placed.planEnds) {
          this.planEnded = true;
          break;
        }
        if (placed === Placed.park) {
          this.#observer.parked(producer);
          break;
        }
        if (this.#placing.delivered === 0) this.#lanes.sendHome(producer, slot);
        this.#observer.taken(producer, word3, topic, wanted, this.#placing.delivered);
      }
      if (this.allowance[producer] !== -1) this.allowance[producer] = (this.allowance[producer] ?? 0) - 1;
      head = advanced(head, 1);
      left -= 1;
    }
    if (head !== from) this.#commit.stage(number, head);
    if (head === tail) this.#pending[producer] = 0;
    return budget - left;
  }

  /** After the scan: what a bug that clears late forgets. */
  clearLate(): void {
    if (!this.#mutants.doorbellLateClear) return;
    Atomics.store(this.#words, Header.doorbell, 0);
    Atomics.store(this.#words, Header.doorbell + 1, 0);
  }
}
