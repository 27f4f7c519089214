import type { Region } from '../../host/sharedMemory.ts';
import { type Commit, StagedProducer } from './commit.ts';
import { advanced, distance } from './cursor.ts';
import { bytesOf, descriptorMaxBytes, topicOf } from './descriptor.ts';
import type { LaneParts, Lanes } from './lanes.ts';
import { cursorWords, Header, type Layout, ProducerCursor, payloadBytesMax } from './layout.ts';
import type { IndexbusMutantFlags } from './mutants.ts';
import { ParkedFor, type ParkReason, type RouterObserver } from './observer.ts';
import { Placed, type Placing } from './placing.ts';
import { Point } from './points.ts';
import type { Route } from './routes.ts';
import { Runs } from './runs.ts';
import type { SlotCounts } from './slotCounts.ts';

/** What a source is to the router. */
export const SourceLife = {
  none: 0,
  live: 1,
  /** Its producer is gone: what it flushed is still routed. */
  ending: 2,
} as const;

/** Polls between two looks at all sources: a producer may have died between its flush and its doorbell. */
const fullScanEvery = 64;

/** The sources, one a producer: which have something, whose turn it is, what may be taken. */
export class Sources {
  /** Changed by `setLife` alone. */
  readonly life: Uint8Array;
  /** Producers that live or end: the first `activeCount`. */
  readonly active: Int32Array;
  activeCount = 0;
  /** Where the source ends for a fenced producer. */
  readonly endsAt: Int32Array;
  readonly ends: Uint8Array;
  readonly #rate: Float64Array;
  /** Whether a producer has a rate. */
  #limited = false;
  /** How often a source was left waiting, by `ParkedFor`. */
  readonly parks: Float64Array;
  /** A source whose cursor or descriptor no producer can have written; -1 for none. Its seat has to be fenced, and the plan ends. */
  corrupt = -1;
  corruption = '';
  /** Messages that the rate allows now. */
  readonly #allowance: Float64Array;
  #refilledAt = Number.NEGATIVE_INFINITY;
  readonly #region: Region;
  readonly #words: Int32Array;
  readonly #layout: Layout;
  readonly #commit: Commit;
  readonly #lanes: Lanes;
  readonly #placing: Placing;
  readonly #runs: Runs;
  readonly #mutants: IndexbusMutantFlags;
  readonly #observer: RouterObserver | undefined;
  readonly #counts: SlotCounts;
  readonly #slotMask: number;
  readonly #payloadMax: number;
  /** Sources that may have something. */
  readonly #pending: Uint8Array;
  /** Of those the ones that nothing can be taken from until a consumer moves, or time passes. */
  readonly #waits: Uint8Array;
  /** Whose turn it is, as a place among the active. */
  #next = 0;
  #sinceScan = 0;

  constructor(parts: LaneParts, lanes: Lanes, placing: Placing) {
    const { region, layout, commit, counts, mutants, observer } = parts;
    this.#region = region;
    this.#words = region.words;
    this.#layout = layout;
    this.#commit = commit;
    this.#counts = counts;
    this.#lanes = lanes;
    this.#placing = placing;
    this.#runs = new Runs(parts, lanes);
    this.#mutants = mutants;
    this.#observer = observer;
    const { producers, slots } = layout.sizes;
    this.life = new Uint8Array(producers);
    this.active = new Int32Array(producers);
    this.ends = new Uint8Array(producers);
    this.endsAt = new Int32Array(producers);
    this.#rate = new Float64Array(producers);
    this.#allowance = new Float64Array(producers);
    this.parks = new Float64Array(Object.keys(ParkedFor).length);
    this.#pending = new Uint8Array(producers);
    this.#waits = new Uint8Array(producers);
    this.#slotMask = slots - 1;
    this.#payloadMax = payloadBytesMax(layout.sizes);
  }

  get count(): number {
    return this.life.length;
  }

  setLife(producer: number, life: (typeof SourceLife)[keyof typeof SourceLife]): void {
    const turn = this.#next < this.activeCount ? (this.active[this.#next] ?? 0) : 0;
    this.life[producer] = life;
    this.activeCount = 0;
    this.#next = 0;
    for (let index = 0; index < this.life.length; index += 1) {
      if (this.life[index] === SourceLife.none) continue;
      // Whoever comes or goes, the turn stays with the one whose it is.
      if (index < turn) this.#next += 1;
      this.active[this.activeCount] = index;
      this.activeCount += 1;
    }
  }

  /** Messages a second that a producer may send; 0 for no limit. */
  setRate(producer: number, rate: number): void {
    this.#rate[producer] = rate;
    this.#limited = this.#rate.some((it) => it > 0);
  }

  /** All are looked at in the next poll. */
  suspectAll(): void {
    this.#pending.fill(1);
    this.#sinceScan = 0;
  }

  /** The source is looked at in the next poll. */
  suspect(producer: number): void {
    this.#pending[producer] = 1;
  }

  /** What sources wait for may be there now: whoever has something is asked before the router sleeps. */
  lookAgain(): void {
    this.#waits.fill(0);
  }

  /** Whether the source is known to have something. */
  isPending(producer: number): boolean {
    return this.#pending[producer] === 1;
  }

  /** Reads the doorbells. Each is cleared before its source's tail is read, so that none that rings after is missed. */
  listen(): void {
    this.#sinceScan += 1;
    if (this.#sinceScan >= fullScanEvery && !this.#mutants.noFullScan) this.suspectAll();
    const halves = this.count > 32 ? 2 : 1;
    for (let half = 0; half < halves; half += 1) {
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
    for (let left = bits; left !== 0; left &= left - 1) {
      const producer = half * 32 + 31 - Math.clz32(left & -left);
      if (producer < this.#pending.length) this.#pending[producer] = 1;
    }
  }

  /** Messages that the source has, flushed and not taken. */
  depth(producer: number): number {
    const head = this.#commit.value(this.#commit.producer(producer, StagedProducer.sourceHead));
    return distance(this.tail(producer), head);
  }

  /** Up to where the source counts. */
  tail(producer: number): number {
    if (this.ends[producer]) return this.endsAt[producer] ?? 0;
    return Atomics.load(this.#words, this.#layout.producerCursors + producer * cursorWords + ProducerCursor.sourceTail);
  }

  /** Whether a source has something and was not left waiting by the last plan. */
  hasWork(): boolean {
    for (let index = 0; index < this.activeCount; index += 1) {
      const producer = this.active[index] ?? 0;
      if (this.#pending[producer] === 1 && this.#waits[producer] === 0) return true;
    }
    return false;
  }

  /** Gives producers with a rate what they may send by now: at most a tenth of a second's messages at once, and at least one. */
  refill(): void {
    const { now } = this.#lanes;
    const seconds = Math.max(0, now - this.#refilledAt) / 1000;
    this.#refilledAt = now;
    if (!this.#limited) return;
    for (let producer = 0; producer < this.count; producer += 1) {
      const rate = this.#rate[producer] ?? 0;
      if (rate === 0) continue;
      const most = Math.max(1, rate / 10);
      this.#allowance[producer] = Math.min(most, (this.#allowance[producer] ?? 0) + rate * seconds);
    }
  }

  /** Whether the last plan had to end before its budget: the commit is full, or a lane has no room for the moment. */
  planEnded = false;

  /**
   * Takes up to `budget` messages from the sources that have some, each in turn first, and returns how many.
   *
   * @param routes by topic; a topic beyond them is nobody's
   */
  take(budget: number, routes: readonly Route[], holdUnwanted: boolean): number {
    this.planEnded = false;
    // One that this plan does not come to has what it waited for perhaps, and is to be looked at before anybody sleeps.
    this.#waits.fill(0);
    let left = budget;
    const count = this.activeCount;
    const first = this.#next < count ? this.#next : 0;
    for (let turn = 0; turn < count && left > 0 && !this.planEnded; turn += 1) {
      const index = first + turn < count ? first + turn : first + turn - count;
      const producer = this.active[index] ?? 0;
      if (this.#pending[producer] !== 1) continue;
      const taken = this.#takeFrom(producer, left, routes, holdUnwanted);
      left -= taken;
      // One that could take nothing is first to be asked when there is room again; one that took some lets the others go before it.
      if (taken > 0) this.#next = index + 1;
    }
    return budget - left;
  }

  #takeFrom(producer: number, budget: number, routes: readonly Route[], holdUnwanted: boolean): number {
    const number = this.#commit.producer(producer, StagedProducer.sourceHead);
    this.#region.step(Point.readSource);
    const tail = this.tail(producer);
    const from = this.#commit.value(number);
    const waiting = distance(tail, from);
    this.#waits[producer] = 0;
    if (waiting < 0 || waiting > this.#slotMask + 1) {
      this.#damaged(producer, `its tail is ${tail >>> 0}, expected up to ${this.#slotMask + 1} above ${from >>> 0}`);
      return 0;
    }
    if (this.#mutants.signedCompare && tail >>> 0 <= from >>> 0) return 0;
    let most = Math.min(waiting, budget);
    const limited = this.#limited && (this.#rate[producer] ?? 0) > 0;
    if (limited) most = Math.min(most, Math.floor(this.#allowance[producer] ?? 0));
    let taken = 0;
    while (taken < most) {
      if (this.#commit.full) {
        this.planEnded = true;
        break;
      }
      const head = advanced(from, taken);
      const run = this.#takeRun(producer, head, most - taken, routes);
      if (run === 0 && !this.#takeOne(producer, head, routes, holdUnwanted)) break;
      taken += run === 0 ? 1 : run;
    }
    const head = advanced(from, taken);
    if (taken > 0) {
      this.#commit.stage(number, head);
      if (limited) this.#allowance[producer] = (this.#allowance[producer] ?? 0) - taken;
    }
    if (head === tail) this.#pending[producer] = 0;
    else if (taken === most && most < budget) this.#waits[producer] = 1;
    return taken;
  }

  /** Takes what goes the way of the next message, where every lane of it has room; 0 for the next to be taken by itself. */
  #takeRun(producer: number, cursor: number, most: number, routes: readonly Route[]): number {
    const at = this.#layout.sources + producer * this.#layout.sourceStep + (cursor & this.#slotMask) * 4;
    const topic = topicOf(this.#words[at + 2] ?? 0);
    const route = routes[topic];
    return route === undefined ? 0 : this.#runs.place(route, topic, producer, cursor, most);
  }

  /** Takes one message; false if it stays where it is. */
  #takeOne(producer: number, cursor: number, routes: readonly Route[], holdUnwanted: boolean): boolean {
    const words = this.#words;
    const at = this.#layout.sources + producer * this.#layout.sourceStep + (cursor & this.#slotMask) * 4;
    const slot = words[at] ?? 0;
    const word1 = words[at + 1] ?? 0;
    const word2 = words[at + 2] ?? 0;
    const word3 = words[at + 3] ?? 0;
    const topic = topicOf(word2);
    const route = routes[topic];
    if (slot >>> 0 > this.#slotMask || bytesOf(word1) > this.#payloadMax || route === undefined) {
      this.#damaged(
        producer,
        `its message ${word3 >>> 0} names slot ${slot}, ${bytesOf(word1)} bytes, topic ${topic}; expected below ${this.#slotMask + 1}, up to ${this.#payloadMax}, below ${routes.length}`,
      );
      return false;
    }
    if (this.#counts.lanesOf(producer, slot) !== 0 && !this.#mutants.admitWhilePlacing) {
      this.#damaged(producer, `its message ${word3 >>> 0} names slot ${slot}, which lanes have`);
      return false;
    }
    const wanted = route.broadcast.length + route.groups.length;
    if (wanted === 0) {
      if (holdUnwanted) {
        this.#wait(producer, ParkedFor.hold);
        return false;
      }
      this.#commit.add(this.#commit.producer(producer, StagedProducer.noRoute), 1);
      this.#lanes.home.send(producer, slot);
      if (this.#observer !== undefined) this.#observer.taken(producer, word3, topic, 0, 0);
      return true;
    }
    const placed = this.#placing.place(route, producer, slot, word1 & descriptorMaxBytes, word2, word3);
    if (placed === Placed.planEnds) {
      this.planEnded = true;
      return false;
    }
    if (placed === Placed.park) {
      this.#wait(producer, this.#lanes.lacksCredit ? ParkedFor.credit : ParkedFor.blocking);
      return false;
    }
    if (this.#placing.delivered === 0) this.#lanes.home.send(producer, slot);
    if (this.#observer !== undefined) this.#observer.taken(producer, word3, topic, wanted, this.#placing.delivered);
    return true;
  }

  /** The source waits for a consumer: nothing to do for it until one has moved, or joined. */
  #wait(producer: number, reason: ParkReason): void {
    this.#waits[producer] = 1;
    this.parks[reason] = (this.parks[reason] ?? 0) + 1;
    this.#observer?.parked(producer, reason);
  }

  #damaged(producer: number, what: string): void {
    this.corrupt = producer;
    this.corruption = what;
    this.planEnded = true;
  }

  /** After the scan: what a bug that clears late forgets. */
  clearLate(): void {
    if (!this.#mutants.doorbellLateClear) return;
    Atomics.store(this.#words, Header.doorbell, 0);
    Atomics.store(this.#words, Header.doorbell + 1, 0);
  }
}
