import type { BusEvent } from '../../../../checkers/indexbus/events.ts';
import {
  Access,
  DetachReason,
  Header,
  LaneCursor,
  LaneMode,
  ProducerCursor,
  Seat,
  SegmentState,
  seatNameBytes,
  subscriptionsMax,
} from '../../../../engines/indexbus/layout.ts';
import { matches } from '../../../../engines/indexbus/patterns.ts';
import { SeatState } from '../../../../engines/indexbus/seat.ts';
import type { Segment } from '../../../../engines/indexbus/segment.ts';
import { readSubscription } from '../../../../engines/indexbus/subscriptions.ts';
import { readText } from '../../../../engines/indexbus/texts.ts';
import { readTopics } from '../../../../engines/indexbus/topics.ts';
import { Counts } from './counts.ts';
import type { Holder, Kind } from './holder.ts';
import { Reader, seatOf } from './reader.ts';

type Mode = 'broadcast' | 'workqueue' | 'keyed';

/** Events that come also where nothing moves: a commit may be empty. */
const still: ReadonlySet<BusEvent['event']> = new Set([
  'told',
  'cut',
  'waited',
  'committed',
  'router-wrote',
  'publish-accepted',
  'publish-threw',
  'flushed-too-late',
  'producer-fenced',
  'producer-died',
  'lane-died',
  'withheld',
  'death-settled',
  'group-gone',
  'generation-ended',
  'damaged',
]);

/** States in which a seat has a holder that the router knows. */
const heldStates: readonly number[] = [
  SeatState.live,
  SeatState.leaving,
  SeatState.draining,
  SeatState.fenced,
  SeatState.acked,
];
/** States that only the holder brings about: it writes no more. */
const leftStates: readonly number[] = [SeatState.leaving, SeatState.acked];

/** What happened on one segment, in the order in which it happened. */
export class BusBook {
  readonly segment: Segment;
  readonly reader: Reader;
  readonly events: BusEvent[] = [];
  /** Told of each event, right after it was written down. */
  onEvent: ((event: BusEvent) => void) | undefined;
  readonly #counts: Counts;
  readonly #holders: Holder[] = [];
  readonly #known = new Map<string, Holder>();
  readonly #freed = new Map<string, number>();
  /** Processes that are dead, and whether their locks are gone too. */
  readonly #gone = new Map<number, { readonly over: boolean }>();
  readonly #highest = new Map<number, { capacity: number; creditLimit: number; number: number }>();
  /** Records of groups that lanes have been opened for. */
  readonly #groups = new Set<number>();
  #routingEpoch = -1;
  #wanted: readonly { readonly mode: Mode; readonly topics: ReadonlySet<number> }[] | undefined = undefined;

  constructor(segment: Segment) {
    this.segment = segment;
    this.reader = new Reader(segment.words, segment.layout);
    this.#counts = new Counts(segment, this.reader);
  }

  /** Events so far that move something: a message, a seat, a router. */
  moves = 0;

  put(event: BusEvent): void {
    this.events.push(event);
    if (!still.has(event.event)) this.moves += 1;
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
      base: this.#counts.of(kind, seat, requeuedOut),
      baseTail: kind === 'lane' ? this.reader.laneCursor(seat, LaneCursor.tail) : 0,
      baseHead: kind === 'lane' && requeuedOut === undefined ? this.reader.head(seat) : undefined,
      over: false,
      dead: false,
      fenced: false,
      settled: false,
      isTaking: requeuedOut !== undefined,
    };
    this.#known.set(key, holder);
    this.#holders.push(holder);
    this.#opened(holder, seat);
    // It died while it waited for the router, which has let it in since it did not know.
    const gone = this.#gone.get(holder.pid);
    if (gone !== undefined) this.#died(holder);
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
    if (mode !== 'broadcast') this.#groups.add(record);
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

  /** Whether a seat was taken from the producer that has, or had, it. */
  isProducerFenced(seat: number): boolean {
    return this.#counts.isProducerFenced(seat);
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

  /** Writes down which seats were taken from their holders. */
  lookForFenced(): void {
    for (const holder of this.#holders) {
      if (holder.fenced) continue;
      const isDamaged = this.#hasDamagedLane(holder);
      const isFenced = this.#isFenced(holder);
      // One that leaves is not fenced, whatever was found of its lane.
      if (!isFenced && !isDamaged) continue;
      holder.fenced = true;
      const { kind, number } = holder;
      if (isFenced)
        this.put(
          kind === 'producer' ? { event: 'producer-fenced', producer: number } : { event: 'lane-fenced', lane: number },
        );
      if (isDamaged) this.damageFound(`lane ${number} ended as damaged`);
    }
  }

  #isFenced({ kind, number }: Holder): boolean {
    const seat = seatOf(number);
    if (kind === 'producer')
      return this.reader.producer(seat) === number && this.reader.producerState(seat) === SeatState.fenced;
    return this.reader.lane(seat) === number && this.reader.laneState(seat) === SeatState.fenced;
  }

  #hasDamagedLane(holder: Holder): boolean {
    const seat = seatOf(holder.number);
    if (holder.kind !== 'lane' || this.reader.lane(seat) !== holder.number) return false;
    const hasEnded = this.#isFenced(holder) || this.reader.laneState(seat) === SeatState.draining;
    return hasEnded && this.reader.laneSeat(seat, Seat.reason) === DetachReason.corrupt;
  }

  /** Writes down of which dead consumers the router has just ended the lanes, and whether their subscriptions promise that what they had open comes again. */
  lookForSettled(): void {
    for (const holder of this.#holders) {
      if (holder.kind !== 'lane' || !holder.dead || holder.settled) continue;
      const seat = seatOf(holder.number);
      if (this.reader.lane(seat) !== holder.number || this.reader.laneState(seat) !== SeatState.draining) continue;
      holder.settled = true;
      const isView = this.reader.laneSeat(seat, Seat.access) === Access.view;
      const record = this.reader.laneSeat(seat, Seat.subscription);
      const stored = readSubscription(this.segment.region, this.segment.layout, record);
      const comesAgain = isView && stored?.subscription.delivery === 'at_least_once';
      this.put({ event: 'death-settled', lane: holder.number, comesAgain });
    }
  }

  /** Writes down which groups have no subscription any more. */
  lookForGoneGroups(): void {
    for (const group of this.#groups) {
      if (readSubscription(this.segment.region, this.segment.layout, group) !== undefined) continue;
      this.#groups.delete(group);
      this.put({ event: 'group-gone', group });
    }
  }

  /** Whether a fault has changed a word: what is found damaged from then on may be that. */
  isDamaged = false;

  /** A fault has changed a word. */
  damage(): void {
    this.isDamaged = true;
    this.put({ event: 'damaged' });
  }

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

  /** Whose seat was taken may know it before the router has taken its next step, by which the fence is seen. */
  lookForAcknowledged(pid: number): void {
    for (const holder of this.#holders) {
      if (holder.pid !== pid || holder.kind !== 'producer' || holder.fenced) continue;
      const seat = seatOf(holder.number);
      if (this.reader.producer(seat) !== holder.number || this.reader.producerState(seat) !== SeatState.acked) continue;
      holder.fenced = true;
      this.put({ event: 'producer-fenced', producer: holder.number });
    }
  }

  /** A process is dead. As long as somebody has its locks it may still write, as far as anybody can know. */
  processDied(pid: number): void {
    this.lookForHolders();
    this.#gone.set(pid, { over: false });
    for (const holder of this.#holders) if (holder.pid === pid && !holder.over) this.#died(holder);
  }

  /** A process is dead and has no lock any more: the kernel proves that it writes no more. */
  processOver(pid: number): void {
    this.#gone.set(pid, { over: true });
    for (const holder of this.#holders) if (holder.pid === pid && !holder.over) this.#over(holder, true);
  }

  #died(holder: Holder): void {
    holder.dead = true;
    if (holder.kind === 'producer') this.put({ event: 'producer-died', producer: holder.number });
    else this.put({ event: 'lane-died', lane: holder.number });
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
    this.put({ event: 'generation-ended' });
    const { producers } = this.segment.layout.sizes;
    for (let seat = 0; seat < producers; seat += 1) {
      const messages = (this.#counts.sentBy(seat) - this.reader.producerCursor(seat, ProducerCursor.sourceHead)) | 0;
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
    this.put(this.#counts.told(this.#holders, (seat) => this.ownerOf(seat)));
  }

  /** A router has written a cut: what it holds, unless it is what the last one held. */
  tellCut(): void {
    const cut = this.#counts.newCut();
    if (cut === undefined) return;
    this.lookForHolders();
    this.put(this.#counts.cut(cut, this.#holders));
  }
}
