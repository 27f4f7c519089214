import { shareMin } from './admission.ts';
import type { Subscription } from './commands.ts';
import { StagedLane, StagedProducer } from './commit.ts';
import { declaredSubscription, isSameSubscription } from './declaration.ts';
import type { Endings } from './endings.ts';
import { BusError } from './errors.ts';
import { LaneLife } from './laneTable.ts';
import {
  Access,
  cursorWords,
  DetachReason,
  Header,
  LaneCursor,
  LaneMode,
  ProducerCursor,
  Seat,
  SeatOperation,
  SegmentState,
  seatTextBytes,
  seatWords,
} from './layout.ts';
import { Declarations, refusalOf, refusedResult, sentBackResult } from './mailbox.ts';
import { Point } from './points.ts';
import { isRetired } from './retirement.ts';
import type { RouterParts } from './routerParts.ts';
import { stateOf } from './seat.ts';
import { changeSeat, wake } from './seatChange.ts';
import type { SourceEndings } from './sourceEndings.ts';
import { SourceLife } from './sources.ts';
import { readText, textBytes, writeText } from './texts.ts';

/** What a joiner is told that comes too late. */
const goneText = 'IB_RETIRED the segment is being replaced: join its successor';

/** What the seats need of the router. */
export interface SeatHost {
  readonly autoCreate: boolean;
  /** The share of each pool with one more lane. */
  shareWith(lane: number): number;
  /** Evicts lanes that have more than the share, in commits of their own; false if that has to go on in the next poll. */
  fitShares(share: number): boolean;
  /** Gives all lanes their shares anew. */
  shareOut(): void;
  /** Commits what is staged. */
  commit(): void;
}

/**
 * The router's side of joining and leaving. A joiner that has claimed its seat and taken its lock writes who it is; with `Seat.operation` and a
 * raised `requestSequence` it may ask for something, of which `Seat.text` tells the name; then READY. The router answers with `result`, with
 * `text` where it refuses, and the same sequence in `replySequence`. Bells: `Header.seatsBell` and the router's wake sequence one way, the wake
 * sequence of the seat's cursors the other.
 *
 * A consumer that is READY stands for a subscription, `Seat.subscription`; asked for in the same step, the answer stands there. A refused joiner
 * finds its seat FREE, the code and the reason in `text`.
 */
export class RouterSeats {
  readonly #parts: RouterParts;
  readonly #words: Int32Array;
  readonly #endings: Endings;
  readonly #sourceEndings: SourceEndings;
  readonly #host: SeatHost;
  readonly #declarations = new Declarations();

  constructor(parts: RouterParts, endings: Endings, sourceEndings: SourceEndings, host: SeatHost) {
    this.#parts = parts;
    this.#words = parts.region.words;
    this.#endings = endings;
    this.#sourceEndings = sourceEndings;
    this.#host = host;
  }

  /** Looks at all seats, between commits; false if one could not be dealt with yet. */
  scan(): boolean {
    const { layout, sources, lanes } = this.#parts;
    let all = true;
    for (let producer = 0; producer < sources.count; producer += 1) {
      const at = layout.producerSeats + producer * seatWords;
      this.#answer(at, layout.producerCursors + producer * cursorWords + ProducerCursor.wake);
      this.#lookAtProducer(producer, at);
    }
    for (let lane = 0; lane < lanes.count; lane += 1) {
      const at = layout.laneSeats + lane * seatWords;
      this.#answer(at, layout.laneCursors + lane * cursorWords + LaneCursor.wake);
      if (!this.#lookAtLane(lane, at)) all = false;
    }
    return all;
  }

  #lookAtProducer(producer: number, at: number): void {
    const word = Atomics.load(this.#words, at);
    const state = stateOf(word);
    if (state === 'free') this.#declarations.forget(at);
    if (state === 'ready') this.#producerLive(producer, at, word);
    else if (state === 'leaving') this.#sourceEndings.drain(producer, DetachReason.graceful);
  }

  #lookAtLane(lane: number, at: number): boolean {
    const word = Atomics.load(this.#words, at);
    const state = stateOf(word);
    if (state === 'free') this.#declarations.forget(at);
    if (state === 'ready') {
      if (this.#parts.lanes.life[lane] === LaneLife.ending) return this.#takeOver(lane, at, word);
      return this.#laneLive(lane, at, word);
    }
    // Its joiner gave it up in the moment in which nothing was left to be taken over.
    if (state === 'draining' && this.#parts.lanes.life[lane] === LaneLife.none) {
      return changeSeat(this.#parts.region, at, word, 'free', Point.freeSeat);
    }
    if (state === 'leaving') this.#endings.drain(lane, DetachReason.graceful);
    return true;
  }

  /** A new holder finds a whole pool and an empty source. */
  #producerLive(producer: number, at: number, word: number): void {
    const { layout, commit, sources, region, events } = this.#parts;
    const cursors = layout.producerCursors + producer * cursorWords;
    // A roll counts on it that no producer comes any more once it has begun, and nobody once the segment is retired.
    const state = Atomics.load(this.#words, Header.state);
    if (state !== SegmentState.open && state !== SegmentState.waiting) {
      this.#refuse(at, word, cursors + ProducerCursor.wake, goneText);
      return;
    }
    const head = commit.value(commit.producer(producer, StagedProducer.sourceHead));
    const returned = commit.value(commit.producer(producer, StagedProducer.returnTail));
    Atomics.store(this.#words, cursors + ProducerCursor.sourceTail, head);
    Atomics.store(this.#words, cursors + ProducerCursor.returnHead, returned);
    Atomics.store(this.#words, cursors + ProducerCursor.waiting, 0);
    this.#words[at + Seat.capacityOrRate] = 0;
    this.#words[at + Seat.reason] = DetachReason.none;
    if (!changeSeat(region, at, word, 'live', Point.seatLive)) return;
    sources.setLife(producer, SourceLife.live);
    sources.ends[producer] = 0;
    sources.setRate(producer, 0);
    sources.suspect(producer);
    events.producerLive?.(producer);
    wake(region, cursors + ProducerCursor.wake);
  }

  /** A new consumer begins where its lane stands. False if lanes above the new share have to be evicted first, in later polls. */
  #laneLive(lane: number, at: number, word: number): boolean {
    const { lanes, routing, region, events, telemetry, layout } = this.#parts;
    const wakeWord = layout.laneCursors + lane * cursorWords + LaneCursor.wake;
    if (isRetired(this.#parts.segment)) {
      this.#refuse(at, word, wakeWord, goneText);
      return true;
    }
    const stored = routing.subscription(this.#words[at + Seat.subscription] ?? -1);
    if (stored === undefined) {
      this.#refuse(at, word, wakeWord, 'IB_NO_SEAT there is no such subscription: declare it first');
      return true;
    }
    const { subscription } = stored;
    this.#describe(at, subscription);
    lanes.readSeat(lane);
    if (subscription.lane !== 'blocking') {
      const share = this.#host.shareWith(lane);
      telemetry.sometimes('pool share refused', share < shareMin);
      if (share < shareMin) {
        this.#refuse(
          at,
          word,
          wakeWord,
          `IB_NO_SEAT pool share ${share}, at least ${shareMin}: fewer lanes that do not block`,
        );
        return true;
      }
      if (!this.#host.fitShares(share)) return false;
    }
    this.#setCursors(lane);
    if (!changeSeat(region, at, word, 'live', Point.seatLive)) return true;
    lanes.setLife(lane, LaneLife.live);
    this.#host.shareOut();
    routing.rebuild();
    events.laneLive?.(lane);
    wake(region, wakeWord);
    return true;
  }

  /** A consumer takes over a lane that waits for one of its group: what is there is requeued for it, before anything newer. */
  #takeOver(lane: number, at: number, word: number): boolean {
    const { lanes, routing, region, events, layout } = this.#parts;
    const cursors = layout.laneCursors + lane * cursorWords;
    const record = lanes.subscription[lane] ?? 0;
    const stored = routing.subscription(record);
    const isAnothers = this.#words[at + Seat.subscription] !== record;
    if (isAnothers || isRetired(this.#parts.segment)) {
      const reason = isAnothers ? 'IB_NO_SEAT the seat waits for a consumer of another subscription' : goneText;
      this.#say(at, refusedResult, reason);
      changeSeat(region, at, word, 'draining', Point.freeSeat);
      wake(region, cursors + LaneCursor.wake);
      return true;
    }
    if (this.#endings.isBehindAnother(lane)) {
      this.#say(at, sentBackResult, 'IB_NO_SEAT another lane of the subscription has what is older: try again');
      changeSeat(region, at, word, 'draining', Point.freeSeat);
      wake(region, cursors + LaneCursor.wake);
      return true;
    }
    // What is left is lost, or goes to others; then the seat is an ordinary one, and the bell rings again.
    if (stored?.subscription.lane !== 'blocking') lanes.blocking[lane] = 0;
    if (stored?.subscription.lane !== 'blocking' || !this.#endings.mayGoOn(lane)) return true;
    this.#host.commit();
    if (!this.#endings.moveBacklog(lane)) return false;
    this.#host.commit();
    const tail = lanes.committedTail(lane);
    this.#describe(at, stored.subscription);
    Atomics.store(this.#words, cursors + LaneCursor.done, lanes.claimed(lane));
    Atomics.store(this.#words, cursors + LaneCursor.sleeping, 0);
    if (!changeSeat(region, at, word, 'live', Point.seatLive)) return true;
    lanes.readSeat(lane);
    lanes.go(lane);
    lanes.setLife(lane, LaneLife.live);
    this.#host.shareOut();
    routing.rebuild();
    this.#endings.takenOver(lane, tail);
    events.laneLive?.(lane);
    wake(region, cursors + LaneCursor.wake);
    return true;
  }

  /** Writes what a subscription makes of a lane into its seat. */
  #describe(at: number, subscription: Subscription): void {
    this.#words[at + Seat.mode] =
      (subscription.lane === 'blocking' ? LaneMode.blocking : 0) |
      (subscription.drop === 'oldest' ? LaneMode.dropOldest : 0);
    this.#words[at + Seat.access] = subscription.access === 'view' ? Access.view : Access.copy;
    this.#words[at + Seat.capacityOrRate] = subscription.capacity;
    this.#words[at + Seat.creditLimit] = subscription.creditLimit ?? 0;
    this.#words[at + Seat.detachAfterMs] = subscription.detachAfterMs ?? 0;
    this.#words[at + Seat.reason] = DetachReason.none;
  }

  /** All cursors of the lane stand at its tail. */
  #setCursors(lane: number): void {
    const { commit, lanes, layout } = this.#parts;
    const cursors = layout.laneCursors + lane * cursorWords;
    const tail = lanes.committedTail(lane);
    commit.adopt(commit.lane(lane, StagedLane.reclaimed), tail);
    commit.adopt(commit.lane(lane, StagedLane.redelivery), tail);
    commit.adopt(commit.lane(lane, StagedLane.tail), tail);
    commit.adopt(commit.lane(lane, StagedLane.head), tail);
    Atomics.store(this.#words, cursors + LaneCursor.done, tail);
    Atomics.store(this.#words, cursors + LaneCursor.sleeping, 0);
    Atomics.store(this.#words, cursors + LaneCursor.stoppedAt, tail);
    Atomics.store(this.#words, cursors + LaneCursor.endingOrder, 0);
    lanes.stopped[lane] = 0;
    lanes.reload(lane);
  }

  #refuse(at: number, word: number, wakeWord: number, text: string): void {
    const { region, events, layout } = this.#parts;
    this.#say(at, refusedResult, text);
    changeSeat(region, at, word, 'free', Point.freeSeat);
    wake(region, wakeWord);
    events.joinRefused?.((at - layout.producerSeats) / seatWords, text);
  }

  /** Answers what the holder of a seat asks, once. */
  #answer(at: number, wakeWord: number): void {
    const asked = Atomics.load(this.#words, at + Seat.requestSequence);
    if (asked === Atomics.load(this.#words, at + Seat.replySequence)) return;
    const state = stateOf(Atomics.load(this.#words, at));
    if (state !== 'claimed' && state !== 'ready' && state !== 'live') return;
    const operation = this.#words[at + Seat.operation];
    const name = readText(this.#parts.region.bytes, at + Seat.text, seatTextBytes);
    try {
      if (operation === SeatOperation.topic) this.#say(at, this.#topic(name), name);
      else if (operation === SeatOperation.subscribe) {
        const record = this.#subscription(at, name);
        // A joiner's; a live consumer's seat stands for what it receives.
        if (state !== 'live') this.#words[at + Seat.subscription] = record;
        this.#say(at, record, '');
      } else if (operation === SeatOperation.unsubscribe) {
        this.#checkIsLatest();
        this.#parts.routing.deleteUnused(name);
        this.#say(at, 0, '');
      } else throw new BusError('IB_BAD_CONFIG', `a seat asks for operation ${operation}, expected 1 to 3`);
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      if (state !== 'live') this.#words[at + Seat.subscription] = -1;
      this.#say(at, refusedResult, `${error.code} ${error.message}`);
    }
    this.#parts.region.step(Point.reply);
    Atomics.store(this.#words, at + Seat.replySequence, asked);
    wake(this.#parts.region, wakeWord);
  }

  #say(at: number, result: number, text: string): void {
    this.#words[at + Seat.result] = result;
    let short = text;
    while (textBytes(short) > seatTextBytes) short = short.slice(0, -1);
    writeText(this.#parts.region.bytes, at + Seat.text, seatTextBytes, short);
  }

  #topic(name: string): number {
    const { routing } = this.#parts;
    const there = routing.topicNumber(name);
    if (there !== undefined) return there;
    this.#checkIsLatest();
    if (!this.#host.autoCreate) {
      throw new BusError('IB_UNKNOWN_TOPIC', `there is no topic ${name}, and topics.auto_create is off`);
    }
    return routing.createTopic(name);
  }

  /** Of a segment that drains its successor has been given the topics and subscriptions: what is to change is that one's. Throws IB_RETIRED. */
  #checkIsLatest(): void {
    const state = Atomics.load(this.#words, Header.state);
    if (state === SegmentState.draining || state === SegmentState.retired) throw refusalOf(goneText);
  }

  /** The record of a subscription that a consumer names, or declares in parts; 0 for a part that is not the last. */
  #subscription(at: number, text: string): number {
    const { routing } = this.#parts;
    if (!Declarations.isPart(text)) {
      const record = routing.recordOf(text);
      if (record < 0) throw new BusError('IB_UNKNOWN_TOPIC', `there is no subscription ${text}: declare it`);
      return record;
    }
    const whole = this.#declarations.take(at, text);
    if (whole === undefined) return 0;
    const declared = declaredSubscription(whole);
    const there = routing.recordOf(declared.name);
    if (there < 0) {
      this.#checkIsLatest();
      return routing.put(declared);
    }
    if (isSameSubscription(routing.subscription(there)?.subscription, declared)) return there;
    throw new BusError('IB_UNSAFE_CHANGE', `subscription ${declared.name} is there and is another`);
  }
}
