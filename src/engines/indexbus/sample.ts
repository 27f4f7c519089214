import type { Lanes } from './lanes.ts';
import {
  Cut,
  CutLane,
  CutProducer,
  CutTotals,
  cursorWords,
  cutLaneWords,
  cutProducerWords,
  cutWords,
  Header,
  LaneCursor,
  type Layout,
  laneCounters,
  ProducerCursor,
  SubscriptionRecord,
  subscriptionsMax,
  subscriptionWords,
} from './layout.ts';
import { Point } from './points.ts';
import type { Segment } from './segment.ts';
import type { Sources } from './sources.ts';

/** Words of a lane that a cut has, behind head and done, in the order of `CutLane`. */
const laneWords = [LaneCursor.tail, ...laneCounters.map((name) => LaneCursor[name])];

const totals = [
  [CutTotals.droppedNoCredit, SubscriptionRecord.droppedNoCredit],
  [CutTotals.droppedAllFull, SubscriptionRecord.droppedAllFull],
  [CutTotals.requeued, SubscriptionRecord.requeued],
  [CutTotals.redelivered, SubscriptionRecord.redelivered],
] as const;

/**
 * Writes cuts: all cursors and drop words as they are between two commits, into two places in turn. A cut's sequence is written before and after
 * it (a seqlock, Lameter, "Effective synchronization on Linux/NUMA systems", 2005), so a reader on another thread knows whether it has it whole.
 *
 * Every word of a cut is stored and loaded atomically, not its sequence alone. JavaScript's atomics are sequentially consistent: all of them stand in one
 * order that keeps that of each thread, and a load finds the last store before it there. A reader that found a word of a later cut therefore finds
 * that cut's sequence, too. Plain words would be in no such order: on arm64 a plain store may be seen before an atomic one that
 * precedes it, and a plain load be carried out after an atomic one that follows it, and a cut that is torn would look whole (Boehm, "Can
 * seqlocks get along with programming language memory models?", MSPC 2012).
 */
export class Sampler {
  readonly #segment: Segment;
  readonly #lanes: Lanes;
  readonly #sources: Sources;
  #sequence: number;

  constructor(segment: Segment, lanes: Lanes, sources: Sources) {
    this.#segment = segment;
    this.#lanes = lanes;
    this.#sources = sources;
    const { words, layout } = segment;
    this.#sequence = Math.max(
      words[layout.sample + Cut.after] ?? 0,
      words[layout.sample + cutWords + Cut.after] ?? 0,
      0,
    );
  }

  /** Writes the next cut. Between two commits only. */
  cut(): void {
    const { region, words, layout } = this.#segment;
    this.#sequence = (this.#sequence + 1) & 0x7fff_ffff;
    const at = layout.sample + (this.#sequence & 1) * cutWords;
    region.step(Point.writeCut);
    Atomics.store(words, at + Cut.before, this.#sequence);
    Atomics.store(words, at + Cut.routerEpoch, Atomics.load(words, Header.routerEpoch));
    let to = at + Cut.body;
    for (let producer = 0; producer < layout.sizes.producers; producer += 1) {
      const cursors = layout.producerCursors + producer * cursorWords;
      Atomics.store(words, to + CutProducer.sourceTail, this.#sources.tail(producer));
      Atomics.store(words, to + CutProducer.sourceHead, words[cursors + ProducerCursor.sourceHead] ?? 0);
      Atomics.store(words, to + CutProducer.noRoute, words[cursors + ProducerCursor.noRoute] ?? 0);
      to += cutProducerWords;
    }
    for (let lane = 0; lane < layout.sizes.lanes; lane += 1) {
      const cursors = layout.laneCursors + lane * cursorWords;
      Atomics.store(words, to + CutLane.head, this.#lanes.claimed(lane));
      Atomics.store(words, to + CutLane.done, this.#lanes.done(lane));
      for (let index = 0; index < laneWords.length; index += 1) {
        Atomics.store(words, to + CutLane.tail + index, words[cursors + (laneWords[index] ?? 0)] ?? 0);
      }
      to += cutLaneWords;
    }
    for (const [total, field] of totals) {
      let sum = 0;
      for (let record = 0; record < subscriptionsMax; record += 1) {
        sum += words[layout.subscriptions + record * subscriptionWords + field] ?? 0;
      }
      Atomics.store(words, at + total, sum | 0);
    }
    Atomics.store(words, at + Cut.after, this.#sequence);
  }
}

/** Copies the latest whole cut into `into`, of `cutWords` words; false if there is none, or the router wrote it meanwhile: read again. */
export function readCut(words: Int32Array, layout: Layout, into: Int32Array): boolean {
  const sequences = [0, 1].map((place) => Atomics.load(words, layout.sample + place * cutWords + Cut.after));
  const [first = 0, second = 0] = sequences;
  if (first === 0 && second === 0) return false;
  // The numbers wrap within 31 bits, and one is the other's successor.
  const place = ((second - first) & 0x7fff_ffff) < 1 << 30 ? 1 : 0;
  const at = layout.sample + place * cutWords;
  const after = Atomics.load(words, at + Cut.after);
  for (let word = 0; word < cutWords; word += 1) into[word] = Atomics.load(words, at + word);
  return Atomics.load(words, at + Cut.before) === after && into[Cut.after] === after && into[Cut.before] === after;
}
