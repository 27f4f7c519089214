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
  Header,
  LaneCursor,
  LaneMode,
  laneCounters,
  ProducerCursor,
  Seat,
  SegmentState,
  SubscriptionRecord,
  seatNameBytes,
  subscriptionsMax,
  subscriptionWords,
} from '../../../../engines/indexbus/layout.ts';
import { matches } from '../../../../engines/indexbus/patterns.ts';
import { SeatState } from '../../../../engines/indexbus/seat.ts';
import type { Segment } from '../../../../engines/indexbus/segment.ts';
import { readSubscription } from '../../../../engines/indexbus/subscriptions.ts';
import { readText } from '../../../../engines/indexbus/texts.ts';
import { readTopics } from '../../../../engines/indexbus/topics.ts';
import { Reader, seatOf } from './reader.ts';

type Mode = 'broadcast' | 'workqueue' | 'keyed';
type Kind = 'producer' | 'lane';

/** Who has, or had, a seat. */
interface Holder {
  readonly kind: Kind;
  readonly number: number;
  readonly pid: number;
  /** Name that it gave itself. */
  readonly name: string;
  /** What the words of the seat told when it came: they go on counting from there. */
  readonly base: readonly number[];
  /** Tail of a lane then. */
  readonly baseTail: number;
  /** Head of a lane then; undefined where it has messages of the lane that it takes over. */
  readonly baseHead: number | undefined;
  /** It can write no more. */
  over: boolean;
  /** Its process is dead; a thread of it may still be on its way out while it has its lock. */
  dead: boolean;
  fenced: boolean;
  /** It has messages of the lane that it takes over, and its seat is not live yet. */
  isTaking: boolean;
}

const producerCounters = [ProducerCursor.sourceTail, ProducerCursor.sourceHead, ProducerCursor.noRoute] as const;

/** Events that come also where nothing moves: a commit may be empty. */
const still: readonly BusEvent['event'][] = ['told', 'cut', 'waited', 'committed', 'router-wrote'];

/** States in which a seat has a holder that the router knows. */
const heldStates: readonly number[] = [
  SeatState.live,
  SeatState.leaving,
  SeatState.draining,
  SeatState.fenced,
  SeatState.acked,
];
/** Reasons of ends by force. */
const fenceReasons: readonly number[] = [DetachReason.stalled, DetachReason.operator, DetachReason.corrupt];
/** States that only the holder brings about: it writes no more. */
const leftStates: readonly number[] = [SeatState.leaving, SeatState.acked];

/** What happened on one segment, in the order in which it happened. */
export class BusBook {
  readonly segment: Segment;
  readonly reader: Reader;
  readonly events: BusEvent[] = [];
  /** Told of each event, right after it was written down. */
  onEvent: ((event: BusEvent) => void) | undefined;
  readonly #holders: Holder[] = [];
  readonly #known = new Map<string, Holder>();
  readonly #freed = new Map<string, number>();
  /** Processes that are dead, and whether their locks are gone too. */
  readonly #gone = new Map<number, { readonly over: boolean }>();
  readonly #highest = new Map<number, { capacity: number; creditLimit: number; number: number }>();
  #routingEpoch = -1;
  #wanted: readonly { readonly mode: Mode; readonly topics: ReadonlySet<number> }[] | undefined = undefined;

  constructor(segment: Segment) {
    this.segment = segment;
    this.reader = new Reader(segment.words, segment.layout);
  }

  /** Events so far that move something: a message, a seat, a router. */
  moves = 0;

  put(event: BusEvent): void {
    this.events.push(event);
    if (!still.includes(event.event)) this.moves += 1;
    this.onEvent?.(event);
  }

  routerBegan(router: number): void {
    this.put({ event: 'router-began', router });
    this.lookForHolders();
  }

  /** Writes down who has come to a seat. */
  lookForHolders(): void {
    const { producers, lanes } = this.segment.layout.sizes;
    for (let seat = 0; seat < producers; seat += 1) {
      if (heldStates.includes(this.reader.producerState(seat))) this.#came('producer', seat);
    }
    for (let seat = 0; seat < lanes; seat += 1) {
      if (heldStates.includes(this.reader.laneState(seat)) && !this.#wasGivenUp(seat)) this.#came('lane', seat);
    }
  }

  /** Whether a joiner gave the seat up before it was live, where messages wait for the next consumer: they are the former holder's still. */
  #wasGivenUp(seat: number): boolean {
    if (this.reader.laneState(seat) !== SeatState.draining || this.#known.has(`lane ${this.reader.lane(seat)}`))
      return false;
    return this.reader.laneCursor(seat, LaneCursor.backlog) !== 0;
  }

  /**
   * A sealed commit moves what a lane has behind its own tail, for the joiner that has its seat: it leaves the former holder, and comes to the next.
   *
   * @param entries how many
   * @param requeuedOut what the seat's word will tell then
   */
  takesOver(seat: number, entries: number, requeuedOut: number): void {
    if (this.#known.has(`lane ${this.reader.lane(seat)}`)) return;
    this.#came('lane', seat, requeuedOut);
    // It may be more than the subscription gives the next holder: then no more comes until it is less.
    this.#highest.set(seat, { number: this.reader.lane(seat), capacity: entries, creditLimit: 0 });
  }

  /** Whose the messages of a lane are: of a seat that somebody is about to take they are the former holder's. */
  ownerOf(seat: number): number {
    const now = this.reader.lane(seat);
    if (this.#known.has(`lane ${now}`)) return now;
    return this.#holders.findLast((it) => it.kind === 'lane' && seatOf(it.number) === seat)?.number ?? now;
  }

  #came(kind: Kind, seat: number, requeuedOut?: number): void {
    const number = kind === 'producer' ? this.reader.producer(seat) : this.reader.lane(seat);
    const key = `${kind} ${number}`;
    const known = this.#known.get(key);
    if (known !== undefined) {
      known.isTaking &&= this.reader.laneState(seat) === SeatState.ready;
      return;
    }
    const { layout, bytes } = this.segment;
    const at = (kind === 'producer' ? layout.producerSeats : layout.laneSeats) + seat * 64;
    const holder: Holder = {
      kind,
      number,
      pid: kind === 'producer' ? this.reader.producerPid(seat) : this.reader.lanePid(seat),
      name: readText(bytes, at + Seat.name, seatNameBytes),
      base: this.#counters(kind, seat, requeuedOut),
      baseTail: kind === 'lane' ? this.reader.laneCursor(seat, LaneCursor.tail) : 0,
      baseHead: kind === 'lane' && requeuedOut === undefined ? this.reader.head(seat) : undefined,
      over: false,
      dead: false,
      fenced: false,
      isTaking: requeuedOut !== undefined,
    };
    this.#known.set(key, holder);
    this.#holders.push(holder);
    this.#opened(holder, seat);
    // It died while it waited for the router, which has let it in since it did not know.
    const gone = this.#gone.get(holder.pid);
    holder.dead = gone !== undefined;
    if (gone?.over === true) this.#over(holder, true);
  }

  #opened({ kind, number }: Holder, seat: number): void {
    const { layout } = this.segment;
    const epoch = number >>> 6;
    if (kind === 'producer') {
      this.put({ event: 'producer-opened', producer: number, seat, epoch });
      return;
    }
    const record = this.reader.laneSeat(seat, Seat.subscription);
    const mode = readSubscription(this.segment.region, layout, record)?.subscription.mode ?? 'broadcast';
    this.put({
      event: 'lane-opened',
      lane: number,
      seat,
      epoch,
      group: mode === 'broadcast' ? undefined : record,
      keyed: mode === 'keyed',
      blocking: (this.reader.laneSeat(seat, Seat.mode) & LaneMode.blocking) !== 0,
    });
  }

  #counters(kind: Kind, seat: number, requeuedOut?: number): number[] {
    return kind === 'producer'
      ? producerCounters.map((field) =>
          field === ProducerCursor.sourceTail ? this.#sentBy(seat) : this.reader.producerCursor(seat, field),
        )
      : laneCounters.map((name) =>
          name === 'requeuedOut' && requeuedOut !== undefined
            ? requeuedOut
            : this.reader.laneCursor(seat, LaneCursor[name]),
        );
  }

  /** Where the source of a seat ends: of one that was taken from its holder, where the fence found it. */
  #sentBy(seat: number): number {
    return this.isProducerFenced(seat)
      ? this.reader.producerSeat(seat, Seat.fenceTail)
      : this.reader.producerCursor(seat, ProducerCursor.sourceTail);
  }

  /** Whether a seat was taken from the producer that has, or had, it. */
  isProducerFenced(seat: number): boolean {
    return fenceReasons.includes(this.reader.producerSeat(seat, Seat.reason));
  }

  /** Seats that were in use and are free now. */
  lookForFree(): void {
    for (const holder of this.#holders) {
      const { kind, number } = holder;
      const key = `${kind} ${seatOf(number)}`;
      const word =
        kind === 'producer' ? this.reader.producerSeat(seatOf(number)) : this.reader.laneSeat(seatOf(number));
      if ((word & 15) !== SeatState.free || word >>> 4 !== number >>> 6 || this.#freed.get(key) === word >>> 4)
        continue;
      this.#freed.set(key, word >>> 4);
      this.put({ event: 'seat-freed', kind, seat: seatOf(number), epoch: word >>> 4 });
    }
  }

  /** Writes down which lanes were taken from their consumers. */
  lookForFenced(): void {
    for (const holder of this.#holders) {
      if (holder.kind !== 'lane' || holder.fenced || this.reader.lane(seatOf(holder.number)) !== holder.number)
        continue;
      const state = this.reader.laneState(seatOf(holder.number));
      const isDamaged = this.reader.laneSeat(seatOf(holder.number), Seat.reason) === DetachReason.corrupt;
      // One that leaves is not fenced, whatever was found of its lane.
      if (state !== SeatState.fenced && !(isDamaged && state === SeatState.draining)) continue;
      holder.fenced = true;
      if (state === SeatState.fenced) this.put({ event: 'lane-fenced', lane: holder.number });
      if (isDamaged) this.damageFound(`lane ${holder.number} ended as damaged`);
    }
  }

  /** Whether a fault has changed a word: what is found damaged from then on may be that. */
  isDamaged = false;

  /** A router takes something for damaged. */
  damageFound(what: string): void {
    if (!this.isDamaged) this.put({ event: 'damage-found', what });
  }

  /** Holders of this process that have given their seat back, or have said that they know of their fence. */
  lookForLeavers(pid: number): void {
    this.lookForHolders();
    for (const holder of this.#holders) {
      if (holder.pid !== pid || holder.over) continue;
      const seat = seatOf(holder.number);
      const word = holder.kind === 'producer' ? this.reader.producerSeat(seat) : this.reader.laneSeat(seat);
      const gaveUp = holder.isTaking && (word & 15) === SeatState.draining;
      if (word >>> 4 !== holder.number >>> 6 || leftStates.includes(word & 15) || gaveUp) this.#over(holder, false);
    }
  }

  /** A process is dead. As long as somebody has its locks it may still write, as far as anybody can know. */
  processDied(pid: number): void {
    this.lookForHolders();
    this.#gone.set(pid, { over: false });
    for (const holder of this.#holders) if (holder.pid === pid && !holder.over) holder.dead = true;
  }

  /** A process is dead and has no lock any more: the kernel proves that it writes no more. */
  processOver(pid: number): void {
    this.#gone.set(pid, { over: true });
    for (const holder of this.#holders) if (holder.pid === pid && !holder.over) this.#over(holder, true);
  }

  #over(holder: Holder, proven: boolean): void {
    holder.over = true;
    if (holder.kind === 'producer') this.put({ event: 'producer-over', producer: holder.number, proven });
    else this.put({ event: 'lane-over', lane: holder.number, proven });
  }

  /** Whether an incarnation still has its seat: its process lives, and has not given it back. */
  isHeld(kind: Kind, number: number): boolean {
    const holder = this.#known.get(`${kind} ${number}`);
    return holder !== undefined && !holder.over && !holder.dead;
  }

  /** Whether the process of an incarnation died while it had its seat. */
  isDead(kind: Kind, number: number): boolean {
    return this.#known.get(`${kind} ${number}`)?.dead === true;
  }

  /** The seat that a process has under this name; undefined if it has none. */
  holderNamed(kind: Kind, pid: number, name: string): number | undefined {
    this.lookForHolders();
    return this.#holders.findLast((it) => it.kind === kind && it.pid === pid && it.name === name && !it.over)?.number;
  }

  /** Somebody has written a word of a seat: a fact only if the seat is no more its own. */
  noteWriter(kind: Kind, number: number): void {
    const seat = seatOf(number);
    const word = kind === 'producer' ? this.reader.producerSeat(seat) : this.reader.laneSeat(seat);
    const epoch = number >>> 6;
    if (word >>> 4 === epoch && (word & 15) !== SeatState.free) return;
    this.put({ event: 'seat-written', kind, seat, epoch });
  }

  /** How a subscription wants a topic; undefined if it does not. */
  wantedBy(record: number, topic: number): Mode | undefined {
    const found = this.#wantedNow()[record];
    return found?.topics.has(topic) === true ? found.mode : undefined;
  }

  /** How a subscription shares out what it wants. */
  modeOf(record: number): Mode | undefined {
    return this.#wantedNow()[record]?.mode;
  }

  #wantedNow() {
    const epoch = this.reader.word(Header.routingEpoch);
    if (epoch !== this.#routingEpoch || this.#wanted === undefined) {
      this.#routingEpoch = epoch;
      this.#wanted = this.#readSubscriptions();
    }
    return this.#wanted;
  }

  #readSubscriptions() {
    const { region, layout } = this.segment;
    const topics = readTopics(region, layout);
    return Array.from({ length: subscriptionsMax }, (_, record) => {
      const stored = readSubscription(region, layout, record)?.subscription;
      const numbers = [...topics].filter(([name]) => stored?.topics.some((it) => matches(it, name)));
      return { mode: stored?.mode ?? ('broadcast' as const), topics: new Set(numbers.map(([, number]) => number)) };
    });
  }

  /** Limits of a lane. Where they were lowered below what it had, what it has now is the limit, until it is below. */
  limitsOf(seat: number, depth: number): { readonly capacity: number; readonly creditLimit: number } {
    const number = this.reader.lane(seat);
    const capacity = this.reader.laneSeat(seat, Seat.capacityOrRate);
    const creditLimit = this.reader.laneSeat(seat, Seat.creditLimit);
    const before = this.#highest.get(seat);
    const isOfIt = before?.number === number;
    const now = {
      number,
      capacity: isOfIt && before.capacity > capacity ? Math.max(capacity, Math.min(before.capacity, depth)) : capacity,
      creditLimit:
        creditLimit !== 0 && isOfIt && (before.creditLimit === 0 || before.creditLimit > creditLimit)
          ? Math.max(creditLimit, Math.min(before.creditLimit || before.capacity, depth))
          : creditLimit,
    };
    this.#highest.set(seat, now);
    return now;
  }

  /** Whether a roll has ended this generation for that one, which does not route yet. */
  isReplacedBy({ reader, segment: { generation } }: BusBook): boolean {
    const isRetired = this.reader.word(Header.state) === SegmentState.retired;
    const isNext = this.reader.word(Header.successor) === generation;
    return isRetired && isNext && reader.word(Header.state) === SegmentState.waiting;
  }

  /** A roll has retired this generation: what sources have is taken no more, or too late for those who have gone. */
  tellSourcesLeft(): void {
    const { producers } = this.segment.layout.sizes;
    for (let seat = 0; seat < producers; seat += 1) {
      const messages = (this.#sentBy(seat) - this.reader.producerCursor(seat, ProducerCursor.sourceHead)) | 0;
      this.#leftBehind('source', this.reader.producer(seat), messages);
    }
  }

  /** A roll is through with this generation: what lanes have is nobody's. */
  tellLanesLeft(): void {
    for (let seat = 0; seat < this.segment.layout.sizes.lanes; seat += 1) {
      this.#leftBehind('lane', this.ownerOf(seat), this.reader.laneDepth(seat));
    }
  }

  #leftBehind(what: 'source' | 'lane', who: number, messages: number): void {
    if (messages > 0 && !this.isDamaged) this.put({ event: 'left-behind', what, who, messages });
  }

  /** What the words of the segment tell at this moment; nothing while a commit is half applied. */
  tell(): void {
    if (this.reader.isHalfApplied) return;
    this.lookForHolders();
    const count = (holder: Holder): readonly number[] =>
      this.#countsOf(holder, () => this.#counters(holder.kind, seatOf(holder.number)));
    const producers = this.#holders.flatMap((holder) => {
      if (holder.kind !== 'producer') return [];
      const [sent = 0, taken = 0, noRoute = 0] = count(holder);
      return [{ producer: holder.number, sent, taken, noRoute }];
    });
    const lanes: ExportedLane[] = this.#holders.flatMap((holder) => {
      if (holder.kind !== 'lane') return [];
      const [newest = 0, oldest = 0, pool = 0, noCredit = 0, allFull = 0, detached = 0, into = 0, out = 0, again = 0] =
        count(holder);
      const seat = seatOf(holder.number);
      const isLast = this.ownerOf(seat) === holder.number;
      const tail = this.reader.laneCursor(seat, LaneCursor.tail);
      const head = this.reader.head(seat);
      const depth = isLast ? (tail - head) | 0 : 0;
      // As the bus works both out: what was placed and came from no other lane, what is out and was not taken out.
      const delivered = isLast ? (tail - holder.baseTail - into - again) | 0 : undefined;
      const isKnown = isLast && holder.baseHead !== undefined;
      const recv = isKnown ? (head - (holder.baseHead ?? 0) - oldest - detached - out) | 0 : undefined;
      const drops = { newest, oldest, pool, noCredit, allFull, detached };
      const moved = { requeuedIn: into, requeuedOut: out, redelivered: again };
      return [{ lane: holder.number, depth, delivered, recv, ...drops, ...moved }];
    });
    this.put({ event: 'told', producers, lanes, groups: this.#groups() });
  }

  /** What the words of a seat went on by while a holder had it. @param now what they tell */
  #countsOf(holder: Holder, now: () => readonly number[]): readonly number[] {
    const to = this.#next(holder)?.base ?? now();
    return to.map((value, index) => (value - (holder.base[index] ?? 0)) | 0);
  }

  #next({ kind, number }: Holder): Holder | undefined {
    return this.#holders.find((it) => it.kind === kind && it.number !== number && isSuccessor(it.number, number));
  }

  readonly #lastCut = new Int32Array(cutWords);

  /** A router has written a cut: what it holds, unless it is what the last one held. */
  tellCut(): void {
    const { words, layout } = this.segment;
    const { sample, sizes } = layout;
    // Whichever has the higher number of the two, which wraps within 31 bits.
    const numbers = [0, 1].map((place) => this.reader.word(sample + place * cutWords + Cut.after));
    const place = (((numbers[1] ?? 0) - (numbers[0] ?? 0)) & 0x7fff_ffff) < 1 << 30 ? 1 : 0;
    const cut = words.subarray(sample + place * cutWords, sample + (place + 1) * cutWords);
    const isAsBefore = cut.every((word, at) => at < Cut.body || word === this.#lastCut[at]);
    if (isAsBefore) return;
    this.#lastCut.set(cut);
    this.lookForHolders();
    const word = (at: number): number => cut[at] ?? 0;
    const producers = this.#holders.flatMap((holder) => {
      if (holder.kind !== 'producer') return [];
      const at = Cut.body + seatOf(holder.number) * cutProducerWords;
      const [, taken = 0, noRoute = 0] = this.#countsOf(holder, () => [
        0,
        word(at + CutProducer.sourceHead),
        word(at + CutProducer.noRoute),
      ]);
      return [{ producer: holder.number, taken, noRoute }];
    });
    const lanes = this.#holders.flatMap((holder) => {
      if (holder.kind !== 'lane') return [];
      const at = Cut.body + sizes.producers * cutProducerWords + seatOf(holder.number) * cutLaneWords;
      const counts = this.#countsOf(holder, () => laneCounters.map((name) => word(at + CutLane[name])));
      const [newest = 0, oldest = 0, pool = 0, noCredit = 0, allFull = 0, , into = 0, out = 0, again = 0] = counts;
      const isLast = this.#next(holder) === undefined;
      const came = isLast ? (word(at + CutLane.tail) - holder.baseTail) | 0 : undefined;
      const drops = { newest, oldest, pool, noCredit, allFull };
      return [{ lane: holder.number, came, ...drops, requeuedIn: into, requeuedOut: out, redelivered: again }];
    });
    const groups = { noCredit: word(CutTotals.droppedNoCredit), allFull: word(CutTotals.droppedAllFull) };
    this.put({ event: 'cut', producers, lanes, groups });
  }

  #groups() {
    const { subscriptions } = this.segment.layout;
    const word = (group: number, field: number): number =>
      this.reader.word(subscriptions + group * subscriptionWords + field);
    return Array.from({ length: subscriptionsMax }, (_, group) => ({
      group,
      noCredit: word(group, SubscriptionRecord.droppedNoCredit),
      allFull: word(group, SubscriptionRecord.droppedAllFull),
      detached: word(group, SubscriptionRecord.droppedDetached),
    })).filter((it) => it.noCredit !== 0 || it.allFull !== 0 || it.detached !== 0);
  }
}

/** Whether an incarnation has the seat right after, or later than, another one. Holders are asked in the order in which they came. */
function isSuccessor(later: number, former: number): boolean {
  return seatOf(later) === seatOf(former) && later >>> 6 > former >>> 6;
}
