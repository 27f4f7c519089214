import type { BusEvent, ExportedLane } from '../../../../checkers/indexbus/events.ts';
import {
  Cut,
  CutLane,
  CutProducer,
  CutTotals,
  cutLaneWords,
  cutProducerWords,
  cutWords,
  DetachReason,
  LaneCursor,
  laneCounters,
  ProducerCursor,
  Seat,
  SubscriptionRecord,
  subscriptionsMax,
  subscriptionWords,
} from '../../../../engines/indexbus/layout.ts';
import type { Segment } from '../../../../engines/indexbus/segment.ts';
import { type Holder, type Kind, successorOf } from './holder.ts';
import { type Reader, seatOf } from './reader.ts';

const producerCounters = [ProducerCursor.sourceTail, ProducerCursor.sourceHead, ProducerCursor.noRoute] as const;
/** Reasons of ends by force. */
const fenceReasons: readonly number[] = [DetachReason.stalled, DetachReason.operator, DetachReason.corrupt];

/** What the counting words of a segment tell of each holder of a seat: they go on over holders, and each began somewhere. */
export class Counts {
  readonly #segment: Segment;
  readonly #reader: Reader;
  readonly #lastCut = new Int32Array(cutWords);

  constructor(segment: Segment, reader: Reader) {
    this.#segment = segment;
    this.#reader = reader;
  }

  /** What the words of a seat tell. @param requeuedOut what one of them is about to tell */
  of(kind: Kind, seat: number, requeuedOut?: number): number[] {
    return kind === 'producer'
      ? producerCounters.map((field) =>
          field === ProducerCursor.sourceTail ? this.sentBy(seat) : this.#reader.producerCursor(seat, field),
        )
      : laneCounters.map((name) =>
          name === 'requeuedOut' && requeuedOut !== undefined
            ? requeuedOut
            : this.#reader.laneCursor(seat, LaneCursor[name]),
        );
  }

  /** Where the source of a seat ends: of one that was taken from its holder, where the fence found it. */
  sentBy(seat: number): number {
    return this.isProducerFenced(seat)
      ? this.#reader.producerSeat(seat, Seat.fenceTail)
      : this.#reader.producerCursor(seat, ProducerCursor.sourceTail);
  }

  /** Whether a seat was taken from the producer that has, or had, it. */
  isProducerFenced(seat: number): boolean {
    return fenceReasons.includes(this.#reader.producerSeat(seat, Seat.reason));
  }

  /** What the words of the segment tell at this moment. @param ownerOf whose the messages of a lane are */
  told(holders: readonly Holder[], ownerOf: (seat: number) => number): BusEvent {
    const count = (holder: Holder): readonly number[] =>
      this.#while(holders, holder, () => this.of(holder.kind, seatOf(holder.number)));
    const producers = holders.flatMap((holder) => {
      if (holder.kind !== 'producer') return [];
      const [sent = 0, taken = 0, noRoute = 0] = count(holder);
      return [{ producer: holder.number, sent, taken, noRoute }];
    });
    const lanes: ExportedLane[] = holders.flatMap((holder) => {
      if (holder.kind !== 'lane') return [];
      const [newest = 0, oldest = 0, pool = 0, noCredit = 0, allFull = 0, detached = 0, into = 0, out = 0, again = 0] =
        count(holder);
      const seat = seatOf(holder.number);
      const isLast = ownerOf(seat) === holder.number;
      const tail = this.#reader.laneCursor(seat, LaneCursor.tail);
      const head = this.#reader.head(seat);
      const depth = isLast ? (tail - head) | 0 : 0;
      // As the bus works both out: what was placed and came from no other lane, what is out and was not taken out.
      const delivered = isLast ? (tail - holder.baseTail - into - again) | 0 : undefined;
      const isKnown = isLast && holder.baseHead !== undefined;
      const recv = isKnown ? (head - (holder.baseHead ?? 0) - oldest - detached - out) | 0 : undefined;
      const drops = { newest, oldest, pool, noCredit, allFull, detached };
      const moved = { requeuedIn: into, requeuedOut: out, redelivered: again };
      return [{ lane: holder.number, depth, delivered, recv, ...drops, ...moved }];
    });
    return { event: 'told', producers, lanes, groups: this.#groups() };
  }

  /** What the words of a seat went on by while a holder had it. @param now what they tell */
  #while(holders: readonly Holder[], holder: Holder, now: () => readonly number[]): readonly number[] {
    const to = successorOf(holders, holder)?.base ?? now();
    return to.map((value, index) => (value - (holder.base[index] ?? 0)) | 0);
  }

  /** The cut that a router has written last; undefined where it holds what the one before held. */
  newCut(): Int32Array | undefined {
    const { words, layout } = this.#segment;
    const { sample } = layout;
    // Whichever has the higher number of the two, which wraps within 31 bits.
    const numbers = [0, 1].map((place) => this.#reader.word(sample + place * cutWords + Cut.after));
    const place = (((numbers[1] ?? 0) - (numbers[0] ?? 0)) & 0x7fff_ffff) < 1 << 30 ? 1 : 0;
    const cut = words.subarray(sample + place * cutWords, sample + (place + 1) * cutWords);
    if (cut.every((word, at) => at < Cut.body || word === this.#lastCut[at])) return undefined;
    this.#lastCut.set(cut);
    return cut;
  }

  /** What a cut holds. */
  cut(cut: Int32Array, holders: readonly Holder[]): BusEvent {
    const { sizes } = this.#segment.layout;
    const word = (at: number): number => cut[at] ?? 0;
    const producers = holders.flatMap((holder) => {
      if (holder.kind !== 'producer') return [];
      const at = Cut.body + seatOf(holder.number) * cutProducerWords;
      const [, taken = 0, noRoute = 0] = this.#while(holders, holder, () => [
        0,
        word(at + CutProducer.sourceHead),
        word(at + CutProducer.noRoute),
      ]);
      return [{ producer: holder.number, taken, noRoute }];
    });
    const lanes = holders.flatMap((holder) => {
      if (holder.kind !== 'lane') return [];
      const at = Cut.body + sizes.producers * cutProducerWords + seatOf(holder.number) * cutLaneWords;
      const counts = this.#while(holders, holder, () => laneCounters.map((name) => word(at + CutLane[name])));
      const [newest = 0, oldest = 0, pool = 0, noCredit = 0, allFull = 0, , into = 0, out = 0, again = 0] = counts;
      const isLast = successorOf(holders, holder) === undefined;
      const came = isLast ? (word(at + CutLane.tail) - holder.baseTail) | 0 : undefined;
      const drops = { newest, oldest, pool, noCredit, allFull };
      return [{ lane: holder.number, came, ...drops, requeuedIn: into, requeuedOut: out, redelivered: again }];
    });
    const groups = { noCredit: word(CutTotals.droppedNoCredit), allFull: word(CutTotals.droppedAllFull) };
    return { event: 'cut', producers, lanes, groups };
  }

  #groups() {
    const { subscriptions } = this.#segment.layout;
    const word = (group: number, field: number): number =>
      this.#reader.word(subscriptions + group * subscriptionWords + field);
    return Array.from({ length: subscriptionsMax }, (_, group) => ({
      group,
      noCredit: word(group, SubscriptionRecord.droppedNoCredit),
      allFull: word(group, SubscriptionRecord.droppedAllFull),
      detached: word(group, SubscriptionRecord.droppedDetached),
    })).filter((it) => it.noCredit !== 0 || it.allFull !== 0 || it.detached !== 0);
  }
}
