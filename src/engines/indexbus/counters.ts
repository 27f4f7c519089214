import type { Clock, Millis } from '../../host/clock.ts';
import {
  type LaneCounts,
  nothingDelivered,
  nothingSent,
  type ProducerCounts,
  type SubscriptionCounts,
} from './counts.ts';
import { distance } from './cursor.ts';
import { beginCursors } from './firstCut.ts';
import { type FormerCounts, noFormerCounts, withFormer } from './formerCounts.ts';
import {
  Cut,
  CutLane,
  CutProducer,
  cursorWords,
  cutLaneWords,
  cutProducerWords,
  cutWords,
  ProducerCursor,
  SubscriptionRecord,
  subscriptionsMax,
  subscriptionWords,
} from './layout.ts';
import { readCut } from './sample.ts';
import type { Segment } from './segment.ts';

/** The counters of the IndexBus runbook that are rates there, in its order. */
export const runbookCounters = [
  'sent',
  'routed',
  'delivered',
  'recv',
  'drops',
  'drops_full',
  'drops_no_credit',
  'drops_all_full',
  'drops_no_route',
  'drops_detached',
  'credit_waits',
  'detaches',
] as const;
export type RunbookCounter = (typeof runbookCounters)[number];
export type CounterTotals = Readonly<Record<RunbookCounter, number>>;

const producerFields = [ProducerCursor.creditWaits, ProducerCursor.refused] as const;
const subscriptionFields = [
  SubscriptionRecord.droppedNoCredit,
  SubscriptionRecord.droppedAllFull,
  SubscriptionRecord.droppedDetached,
  SubscriptionRecord.requeued,
  SubscriptionRecord.redelivered,
] as const;

/** How far back a rate looks, and how fast the idle ratio forgets. */
const rateWindowMs: Millis = 1_000;
const idleMemoryMs: Millis = 10_000;
/** How often a cut that was being written is read anew before the next tick does it. */
const readTries = 4;

/**
 * What the segment's words have counted, extended from 32 bits to 2^53: each tick adds by how much a word has grown. Fewer than 2^31 messages may pass
 * a word between two ticks, which takes minutes; ticks are `counter_sample_ms` apart. The router's words come from one cut, which it wrote between
 * two commits. What former generations of the segment have counted goes on here, so that a roll is no restart of any count.
 */
export class Counters {
  readonly #segment: Segment;
  readonly #clock: Clock;
  readonly #cut = new Int32Array(cutWords);
  readonly #last: Int32Array;
  /** 1 for a word that was read before. */
  readonly #begun: Uint8Array;
  readonly #totals: Float64Array;
  readonly #idle: Float64Array;
  readonly #history: { readonly at: Millis; readonly totals: CounterTotals }[] = [];
  /** Where words of producers that no cut has, and those of subscriptions, stand among the totals. */
  readonly #producersAt: number;
  readonly #subscriptionsAt: number;
  readonly #former: FormerCounts;
  /** What lanes had lost when a roll ceased to wait for them. */
  readonly #lostBefore = new Map<number, number>();
  #detaches: number;
  #tickedAt: Millis;
  #hasCut = false;

  /** @param former what the generations before this one have counted in this process */
  constructor(segment: Segment, clock: Clock, former: FormerCounts = noFormerCounts) {
    this.#segment = segment;
    this.#clock = clock;
    this.#former = former;
    this.#detaches = former.detaches;
    const { producers, lanes } = segment.layout.sizes;
    this.#producersAt = cutWords;
    this.#subscriptionsAt = this.#producersAt + producers * producerFields.length;
    const total = this.#subscriptionsAt + subscriptionsMax * subscriptionFields.length;
    this.#last = new Int32Array(total);
    this.#begun = new Uint8Array(total);
    this.#totals = new Float64Array(total);
    this.#idle = new Float64Array(lanes).fill(1);
    this.#tickedAt = clock.now();
    this.tick();
  }

  /** Age of what is told, in milliseconds. */
  get ageMs(): Millis {
    return this.#clock.now() - this.#tickedAt;
  }

  /** A consumer has left. */
  detached(): void {
    this.#detaches += 1;
  }

  /** Looks how far all words have come. */
  tick(): void {
    const { words, layout } = this.#segment;
    for (let tries = 0; tries < readTries; tries += 1) {
      if (!readCut(words, layout, this.#cut)) continue;
      for (let word = Cut.body; word < cutWords; word += 1) this.#extend(word, this.#cut[word] ?? 0);
      if (!this.#hasCut) beginCursors(this.#totals, this.#cut, layout.sizes);
      this.#hasCut = true;
      break;
    }
    let to = this.#producersAt;
    for (let producer = 0; producer < layout.sizes.producers; producer += 1) {
      for (const field of producerFields) {
        this.#extend(to, Atomics.load(words, layout.producerCursors + producer * cursorWords + field));
        to += 1;
      }
    }
    for (let record = 0; record < subscriptionsMax; record += 1) {
      for (const field of subscriptionFields) {
        this.#extend(to, Atomics.load(words, layout.subscriptions + record * subscriptionWords + field));
        to += 1;
      }
    }
    this.#remember();
  }

  /**
   * A word that went back was put back where it belongs, by a fence of what was damaged: a counter neither falls nor goes round for it. What a
   * word holds at first is what was counted before.
   */
  #extend(word: number, value: number): void {
    const last = this.#last[word];
    const grown = this.#begun[word] === 0 ? value >>> 0 : Math.max(0, distance(value, last ?? 0));
    this.#begun[word] = 1;
    this.#totals[word] = (this.#totals[word] ?? 0) + grown;
    this.#last[word] = value;
  }

  #remember(): void {
    const now = this.#clock.now();
    const weight = Math.min(1, (now - this.#tickedAt) / idleMemoryMs);
    for (let lane = 0; lane < this.#idle.length; lane += 1) {
      const idle = this.#laneDepth(lane) === 0 ? 1 : 0;
      this.#idle[lane] = (this.#idle[lane] ?? 1) + (idle - (this.#idle[lane] ?? 1)) * weight;
    }
    this.#tickedAt = now;
    this.#history.push({ at: now, totals: this.totals() });
    // One that is older than the window stays, so that a window is never empty.
    while ((this.#history[1]?.at ?? now) <= now - rateWindowMs) this.#history.shift();
  }

  #producerWord(producer: number, field: number): number {
    return this.#totals[Cut.body + producer * cutProducerWords + field] ?? 0;
  }

  #laneAt(lane: number): number {
    return Cut.body + this.#segment.layout.sizes.producers * cutProducerWords + lane * cutLaneWords;
  }

  #laneDepth(lane: number): number {
    const at = this.#laneAt(lane);
    return Math.max(0, distance(this.#last[at + CutLane.tail] ?? 0, this.#last[at + CutLane.head] ?? 0));
  }

  /** Producers' seats that have counted, in this generation or before. */
  get producers(): number {
    return Math.max(this.#segment.layout.sizes.producers, this.#former.producers.length);
  }

  /** The same of lanes. */
  get lanes(): number {
    return Math.max(this.#segment.layout.sizes.lanes, this.#former.lanes.length);
  }

  /** What the lane loses from now on a roll gives up. */
  rollGivesUp(lane: number): void {
    if (!this.#lostBefore.has(lane)) this.#lostBefore.set(lane, this.#laneWord(lane, CutLane.droppedDetached));
  }

  /** All that was counted so far, for the counters of the next generation. */
  counted(): FormerCounts {
    return {
      producers: Array.from({ length: this.producers }, (_, producer) => this.producer(producer)),
      lanes: Array.from({ length: this.lanes }, (_, lane) => this.lane(lane)),
      subscriptions: Array.from({ length: subscriptionsMax }, (_, record) => this.subscription(record)),
      detaches: this.#detaches,
    };
  }

  producer(producer: number): ProducerCounts {
    return withFormer(this.#producerNow(producer), this.#former.producers[producer]);
  }

  #producerNow(producer: number): ProducerCounts {
    if (producer >= this.#segment.layout.sizes.producers) return nothingSent;
    const at = Cut.body + producer * cutProducerWords;
    const own = this.#producersAt + producer * producerFields.length;
    return {
      sent: this.#producerWord(producer, CutProducer.sourceTail),
      taken: this.#producerWord(producer, CutProducer.sourceHead),
      noRoute: this.#producerWord(producer, CutProducer.noRoute),
      creditWaits: this.#totals[own] ?? 0,
      refused: this.#totals[own + 1] ?? 0,
      depth: Math.max(
        0,
        distance(this.#last[at + CutProducer.sourceTail] ?? 0, this.#last[at + CutProducer.sourceHead] ?? 0),
      ),
    };
  }

  lane(lane: number): LaneCounts {
    return withFormer(this.#laneNow(lane), this.#former.lanes[lane]);
  }

  #laneWord(lane: number, field: number): number {
    return this.#totals[this.#laneAt(lane) + field] ?? 0;
  }

  #laneNow(lane: number): LaneCounts {
    if (lane >= this.#segment.layout.sizes.lanes) return nothingDelivered;
    const word = (field: number): number => this.#laneWord(lane, field);
    const droppedOldest = word(CutLane.droppedOldest);
    const droppedDetached = word(CutLane.droppedDetached);
    const requeuedOut = word(CutLane.requeuedOut);
    const requeuedIn = word(CutLane.requeuedIn);
    const redelivered = word(CutLane.redelivered);
    return {
      delivered: word(CutLane.tail) - requeuedIn - redelivered,
      // All that has left by the head, but for what the router took out there.
      recv: Math.max(0, word(CutLane.head) - droppedOldest - droppedDetached - requeuedOut),
      droppedNewest: word(CutLane.droppedNewest),
      droppedOldest,
      droppedPool: word(CutLane.droppedPool),
      droppedNoCredit: word(CutLane.droppedNoCredit),
      droppedAllFull: word(CutLane.droppedAllFull),
      droppedDetached,
      droppedByRoll: droppedDetached - (this.#lostBefore.get(lane) ?? droppedDetached),
      requeuedIn,
      requeuedOut,
      redelivered,
      depth: this.#laneDepth(lane),
      idleRatio: this.#idle[lane] ?? 1,
    };
  }

  subscription(record: number): SubscriptionCounts {
    return withFormer(this.#subscriptionNow(record), this.#former.subscriptions[record]);
  }

  #subscriptionNow(record: number): SubscriptionCounts {
    const at = this.#subscriptionsAt + record * subscriptionFields.length;
    const word = (field: number): number => this.#totals[at + field] ?? 0;
    return {
      droppedNoCredit: word(0),
      droppedAllFull: word(1),
      droppedDetached: word(2),
      requeued: word(3),
      redelivered: word(4),
    };
  }

  /** Whether a router has ever written a cut. */
  get hasCut(): boolean {
    return this.#hasCut;
  }

  /** Messages in all sources and lanes. */
  get queueDepth(): number {
    const { producers, lanes } = this.#segment.layout.sizes;
    let depth = 0;
    for (let producer = 0; producer < producers; producer += 1) depth += this.producer(producer).depth;
    for (let lane = 0; lane < lanes; lane += 1) depth += this.#laneDepth(lane);
    return depth;
  }

  /** The runbook's counters, of the whole segment. */
  totals(): CounterTotals {
    const { producers, lanes } = this;
    const sum = {
      sent: 0,
      routed: 0,
      delivered: 0,
      recv: 0,
      full: 0,
      noCredit: 0,
      allFull: 0,
      noRoute: 0,
      detached: 0,
    };
    let creditWaits = 0;
    for (let producer = 0; producer < producers; producer += 1) {
      const it = this.producer(producer);
      sum.sent += it.sent;
      sum.routed += it.taken - it.noRoute;
      sum.noRoute += it.noRoute;
      creditWaits += it.creditWaits;
    }
    for (let lane = 0; lane < lanes; lane += 1) {
      const it = this.lane(lane);
      sum.delivered += it.delivered;
      sum.recv += it.recv;
      sum.full += it.droppedNewest + it.droppedOldest + it.droppedPool;
      sum.noCredit += it.droppedNoCredit;
      sum.allFull += it.droppedAllFull;
      sum.detached += it.droppedDetached;
    }
    for (let record = 0; record < subscriptionsMax; record += 1) {
      const it = this.subscription(record);
      sum.noCredit += it.droppedNoCredit;
      sum.allFull += it.droppedAllFull;
      sum.detached += it.droppedDetached;
    }
    return {
      sent: sum.sent,
      routed: sum.routed,
      delivered: sum.delivered,
      recv: sum.recv,
      drops: sum.full + sum.noCredit + sum.allFull + sum.noRoute + sum.detached,
      drops_full: sum.full,
      drops_no_credit: sum.noCredit,
      drops_all_full: sum.allFull,
      drops_no_route: sum.noRoute,
      drops_detached: sum.detached,
      credit_waits: creditWaits,
      detaches: this.#detaches,
    };
  }

  /** The same a second, over the last second. */
  rates(): CounterTotals {
    const first = this.#history[0];
    const last = this.#history.at(-1);
    const seconds = first === undefined || last === undefined ? 0 : (last.at - first.at) / 1_000;
    const rate = (name: RunbookCounter): [RunbookCounter, number] => [
      name,
      seconds <= 0 ? 0 : Math.max(0, ((last?.totals[name] ?? 0) - (first?.totals[name] ?? 0)) / seconds),
    ];
    // Object.fromEntries knows its keys only as strings.
    return Object.fromEntries(runbookCounters.map(rate)) as unknown as CounterTotals;
  }
}
