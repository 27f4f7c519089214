import type { Host } from '../../host/host.ts';
import type { Region } from '../../host/sharedMemory.ts';
import { wakeRouter } from './bells.ts';
import { descriptorWords, keyHash, topicAndKey } from './descriptor.ts';
import { BusError, FencedError } from './errors.ts';
import {
  Header,
  type Layout,
  ProducerCursor,
  payloadBytesMax,
  Seat,
  Slot,
  slotHeaderWords,
  topicNameBytes,
} from './layout.ts';
import type { IndexbusMutantFlags } from './mutants.ts';
import { bytesOfPayload, checkAttached, checkKey, wordsOfPayload } from './payloadArguments.ts';
import { payloadCheck } from './payloadCheck.ts';
import { Point } from './points.ts';
import {
  fencedError,
  longerThanReserved,
  notReserved,
  notThere,
  reservedAlready,
  tooLarge,
  unknownTopicNumber,
} from './publishErrors.ts';
import { SeatState, seatWord } from './seat.ts';
import type { SeatPlace } from './seatPlaces.ts';
import { SlotStack } from './slotStack.ts';

/** Constants of this module: the compiler folds them, where it looks imported ones up with each use. */
const {
  takeSlot: takeSlotPoint,
  writePayload: writePayloadPoint,
  writeDescriptor: writeDescriptorPoint,
  storeTail: storeTailPoint,
  ringDoorbell: ringDoorbellPoint,
  wakeRouter: wakeRouterPoint,
} = Point;
const { sequence: sequenceWord, byteLength: byteLengthWord, publishedAt: publishedAtWord, check: checkWord } = Slot;
const { creditLimit: creditLimitWord } = Seat;
const End = { no: 0, closed: 1, fenced: 2 } as const;
const notEnded = End.no;
const headerWords = slotHeaderWords;
const entryWords = descriptorWords;

/** A topic's number: what messages carry. */
export type TopicId = number;

/** Bugs that can be planted here. */
export type ProducerMutants = Pick<IndexbusMutantFlags, 'tailBeforePayload'>;

export interface PublisherOptions {
  /** Messages after which the router is told; 1 to the slots. */
  readonly flushEvery: number;
  /** Of its own, below the slots; 0 for none. */
  readonly creditLimit: number;
  /** Writes a check word over each payload, which consumers that check compare. */
  readonly checked: boolean;
  /** Runs `flush` when the caller's turn is over; called at most once a turn. */
  readonly atEndOfTurn: (flush: () => void) => void;
}

/** A payload of words up to this many is copied word by word, a longer one by the runtime where that needs no object. */
const wordCopyMost = 128;

/**
 * The hot path of a producer on its seat: takes a slot, writes the payload into it and a descriptor behind the tail, and tells the router of a whole
 * batch by one store of the tail. No call allocates, waits or enters the kernel, but for waking a router that sleeps.
 *
 * Slots and descriptors are written by plain stores: the store of the tail is sequentially consistent, and JavaScript's memory model
 * moves no store of a thread behind it, so whoever sees the tail sees what stands before it.
 */
export class Publisher {
  /** The segment's words, for payloads that are written in place. */
  readonly words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #region: Region;
  readonly #layout: Layout;
  readonly #host: Host;
  readonly #slots: SlotStack;
  readonly #mutants: ProducerMutants;
  readonly #place: SeatPlace;
  readonly #ring: number;
  readonly #pool: number;
  readonly #slotWords: number;
  readonly #mask: number;
  readonly #payloadMax: number;
  readonly #seatLive: number;
  readonly #bellWord: number;
  readonly #bellBit: number;
  readonly #total: number;
  readonly #ownLimit: number;
  readonly #checked: boolean;
  readonly #atEndOfTurn: (flush: () => void) => void;
  readonly #endTurn: () => void;
  readonly #fenced: () => void;
  readonly #wantedFlush: number;
  #flushEvery: number;
  #tail: number;
  #flushed: number;
  #sequence = 0;
  #stamp = 0;
  /** Topics that are known to be there: all below. */
  #topics = 0;
  #kept = 0;
  #reserved = -1;
  #reservedBytes = 0;
  #refused: number;
  #turnEnds = false;
  #end: number = End.no;
  /** The fence that the end of a turn met, for the next call to tell. */
  #untold: FencedError | undefined;

  /** @param fenced called once, when this side knows that the seat was taken and writes nothing there any more: acknowledges it */
  constructor(
    region: Region,
    layout: Layout,
    host: Host,
    place: SeatPlace,
    epoch: number,
    options: PublisherOptions,
    fenced: () => void,
    mutants: ProducerMutants,
  ) {
    this.#region = region;
    this.words = region.words;
    this.#bytes = region.bytes;
    this.#layout = layout;
    this.#host = host;
    this.#mutants = mutants;
    this.#place = place;
    this.#ring = layout.sources + place.number * layout.sourceStep;
    this.#pool = layout.pools + place.number * layout.poolStep;
    this.#slotWords = layout.slotWords;
    this.#mask = layout.sizes.slots - 1;
    this.#total = layout.sizes.slots;
    this.#payloadMax = payloadBytesMax(layout.sizes);
    this.#seatLive = seatWord(epoch, SeatState.live);
    this.#bellWord = Header.doorbell + (place.number >> 5);
    this.#bellBit = 1 << (place.number & 31);
    this.#ownLimit = options.creditLimit;
    this.#checked = options.checked;
    this.#wantedFlush = options.flushEvery;
    this.#flushEvery = options.flushEvery;
    this.#atEndOfTurn = options.atEndOfTurn;
    this.#endTurn = (): void => {
      this.#turnEnds = false;
      this.flushQuietly();
    };
    this.#fenced = fenced;
    this.#slots = new SlotStack(region, layout, place.number, host.telemetry);
    this.#tail = Atomics.load(this.words, place.cursors + ProducerCursor.sourceTail);
    this.#flushed = this.#tail;
    this.#refused = Atomics.load(this.words, place.cursors + ProducerCursor.refused);
    this.#lookAtLimit();
  }

  /** Messages that can be published before one is refused, as far as is known without a look at what came back. */
  get credit(): number {
    const limit = this.#limit();
    const away = this.#total - this.#slots.count;
    return Math.max(0, Math.min(this.#slots.count, limit === 0 ? this.#total : limit - away));
  }

  /** The stricter of its own limit and the operator's; 0 for none. */
  #limit(): number {
    const told = this.words[this.#place.at + creditLimitWord] ?? 0;
    const own = this.#ownLimit;
    return told === 0 ? own : own === 0 ? told : Math.min(told, own);
  }

  /** Whether `publish` has something to say: it would take a message, or tell of an end. */
  hasNews(): boolean {
    return this.isEnded || this.hasCredit();
  }

  /** Whether `publish` would take a message now. */
  hasCredit(): boolean {
    if (this.credit > 0) return true;
    return this.#slots.fetch() && this.credit > 0;
  }

  #takeSlot(): number {
    this.#region.step(takeSlotPoint);
    // The limit is looked up once a flush, and before a message is refused.
    const slot = this.#slots.takeAbove(this.#kept);
    return slot < 0 ? this.#takeLast() : slot;
  }

  #takeLast(): number {
    this.#lookAtLimit();
    const slot = this.#slots.takeAbove(this.#kept);
    if (slot >= 0 || !this.#slots.fetch()) return slot;
    return this.#slots.takeAbove(this.#kept);
  }

  /** Slots that stay at home: what the limit leaves of all. */
  #lookAtLimit(): void {
    const limit = this.#limit();
    this.#kept = limit === 0 ? 0 : Math.max(0, this.#total - limit);
  }

  /**
   * Publishes a copy of the bytes of `payload`. False: no credit, nothing happened. Throws IB_TOO_LARGE, IB_UNKNOWN_TOPIC, IB_CLOSED, IB_FENCED; IB_BAD_CONFIG for
   * what is no view of a buffer, or no key.
   *
   * @param key of a keyed subscription, any whole number of 32 bits; default 0
   */
  publish(topic: TopicId, payload: ArrayBufferView, key = 0): boolean {
    // Others would be copied element by element.
    const bytes = payload instanceof Uint8Array ? payload : bytesOfPayload(payload);
    const { byteLength } = bytes;
    if (byteLength === 0) checkAttached(bytes);
    this.#check(topic, byteLength, key);
    const slot = this.#takeSlot();
    if (slot < 0) return this.#refuse();
    const word = this.#pool + slot * this.#slotWords + headerWords;
    if (this.#mutants.tailBeforePayload) this.#appendEarly(topic, slot, byteLength, key);
    this.#region.step(writePayloadPoint);
    this.#bytes.set(bytes, word * 4);
    if (!this.#mutants.tailBeforePayload) this.#append(topic, slot, byteLength, key);
    return true;
  }

  /**
   * Publishes `count` words of `payload` from `from`: the fastest way, for payloads that are words already. Throws as `publish` does, and
   * IB_BAD_CONFIG for words that are not there.
   */
  publishWords(topic: TopicId, payload: Int32Array, from: number, count: number, key = 0): boolean {
    const words = payload instanceof Int32Array ? payload : wordsOfPayload(payload);
    const byteLength = count * 4;
    this.#check(topic, byteLength, key);
    if (from >>> 0 !== from || count >>> 0 !== count || from + count > words.length) {
      throw notThere(from, count, words.length);
    }
    const slot = this.#takeSlot();
    if (slot < 0) return this.#refuse();
    const at = this.#pool + slot * this.#slotWords + headerWords;
    if (this.#mutants.tailBeforePayload) this.#appendEarly(topic, slot, byteLength, key);
    this.#region.step(writePayloadPoint);
    if (count > wordCopyMost && from === 0 && count === words.length) this.words.set(words, at);
    else {
      const target = this.words;
      for (let index = 0; index < count; index += 1) target[at + index] = words[from + index] ?? 0;
    }
    if (!this.#mutants.tailBeforePayload) this.#append(topic, slot, byteLength, key);
    return true;
  }

  /**
   * Keeps a slot for a payload that is written in place: the number of its first word in `words`, -1 without credit. Throws IB_RESERVED while one
   * is kept, IB_TOO_LARGE, IB_CLOSED, IB_FENCED.
   *
   * The slot may be written until `commit` or `close`, whatever happens to the seat: a fence is acknowledged only then, for a seat
   * that is acknowledged is given to the next holder, with all its slots.
   */
  reserve(byteLength: number): number {
    const open = this.#end === notEnded && this.#reserved < 0;
    if (!open || byteLength >>> 0 !== byteLength || byteLength > this.#payloadMax) throw this.#reserveError(byteLength);
    const slot = this.#takeSlot();
    if (slot < 0) return this.#refuseReserve();
    this.#reserved = slot;
    this.#reservedBytes = byteLength;
    return this.#pool + slot * this.#slotWords + headerWords;
  }

  #refuseReserve(): number {
    this.#refuse();
    return -1;
  }

  #reserveError(byteLength: number): BusError {
    if (this.#end !== notEnded) return this.#endError();
    if (!this.#isLength(byteLength)) return this.#tooLarge(byteLength);
    return reservedAlready(this.#reservedBytes);
  }

  /**
   * Publishes what was written into the reserved slot. Throws IB_RESERVED without one, IB_TOO_LARGE beyond what was reserved,
   * IB_UNKNOWN_TOPIC: it stays reserved then; IB_CLOSED, IB_FENCED: nothing is reserved any more.
   */
  commit(topic: TopicId, byteLength: number, key = 0): void {
    const slot = this.#reserved;
    const open = this.#end === notEnded && slot >= 0;
    if (!open || byteLength >>> 0 !== byteLength || byteLength > this.#reservedBytes)
      throw this.#commitError(byteLength);
    if (typeof key !== 'number' || (key | 0) !== key) checkKey(key);
    if (topic >>> 0 !== topic || topic >= this.#topics) this.#learnTopicsToCommit(topic);
    this.#reserved = -1;
    this.#append(topic, slot, byteLength, key);
  }

  #commitError(byteLength: number): BusError {
    if (this.#end !== notEnded) return this.#endCommit();
    if (this.#reserved < 0) return notReserved();
    if (!this.#isLength(byteLength)) return tooLarge(byteLength, this.#payloadMax);
    return longerThanReserved(byteLength, this.#reservedBytes);
  }

  /** Whether a slot is reserved and not committed. */
  get isReserved(): boolean {
    return this.#reserved >= 0;
  }

  /** The reserved slot's room, as long as was asked for; undefined without one. */
  get reservedRoom(): Uint8Array | undefined {
    if (this.#reserved < 0) return undefined;
    const from = (this.#pool + this.#reserved * this.#slotWords + headerWords) * 4;
    return this.#bytes.subarray(from, from + this.#reservedBytes);
  }

  /** Whether it is closed or its seat was taken. */
  get isEnded(): boolean {
    return this.#end !== notEnded || !this.#isLive();
  }

  #append(topic: TopicId, slot: number, byteLength: number, key: number): void {
    const { words } = this;
    const tail = this.#tail;
    const sequence = this.#sequence;
    const header = this.#pool + slot * this.#slotWords;
    // One reading of the clock a batch: it costs more than a message. Wraps after 71 minutes; only differences of much less are taken.
    if (tail === this.#flushed) this.#readClock();
    words[header + sequenceWord] = sequence;
    words[header + byteLengthWord] = byteLength;
    words[header + publishedAtWord] = this.#stamp;
    words[header + checkWord] = this.#checked ? this.#checkOf(header, byteLength) : 0;
    const at = this.#ring + (tail & this.#mask) * entryWords;
    this.#region.step(writeDescriptorPoint);
    words[at] = slot;
    words[at + 1] = byteLength;
    words[at + 2] = topicAndKey(topic, keyHash(key));
    words[at + 3] = sequence;
    this.#sequence = (sequence + 1) | 0;
    this.#tail = (tail + 1) | 0;
    if (((tail + 1 - this.#flushed) | 0) >= this.#flushEvery) this.flush();
    else if (!this.#turnEnds) this.#endsTurn();
  }

  /** By itself, and not where it is called: the compiler draws in what is called for each message alone, and a time that it does not draw in is an object. */
  #readClock(): void {
    this.#stamp = (this.#host.clock.now() * 1000) | 0;
  }

  #checkOf(header: number, byteLength: number): number {
    return payloadCheck(this.words, header + headerWords, byteLength);
  }

  #endsTurn(): void {
    this.#turnEnds = true;
    this.#atEndOfTurn(this.#endTurn);
  }

  /** What a bug does that tells the router of a message before it is written. */
  #appendEarly(topic: TopicId, slot: number, byteLength: number, key: number): void {
    this.#append(topic, slot, byteLength, key);
    this.flush();
  }

  /** Tells the router of everything published so far. Throws IB_FENCED if the seat was taken meanwhile, IB_CLOSED. */
  flush(): void {
    const { words } = this;
    if (this.#end !== notEnded) throw this.#endError();
    if (this.#tail === this.#flushed) return;
    this.#region.step(storeTailPoint);
    Atomics.store(words, this.#place.cursors + ProducerCursor.sourceTail, this.#tail);
    this.#flushed = this.#tail;
    this.#region.step(ringDoorbellPoint);
    if ((Atomics.load(words, this.#bellWord) & this.#bellBit) === 0) {
      Atomics.or(words, this.#bellWord, this.#bellBit);
    }
    this.#region.step(wakeRouterPoint);
    wakeRouter(this.#region);
    this.#lookAtLimit();
    this.#flushEvery = this.#host.telemetry.buggify('flush-each') ? 1 : this.#wantedFlush;
    if (!this.#isLive()) throw this.#learnFence(true);
  }

  /** Flushes where nobody is there to catch what it throws: a fence is told by the next call. */
  flushQuietly(): void {
    if (this.#end !== notEnded) return;
    try {
      this.flush();
    } catch (error) {
      if (!(error instanceof FencedError)) throw error;
      this.#untold = error;
    }
  }

  #refuse(): boolean {
    // What is not flushed would never come back, and a caller that tries until it succeeds never end its turn.
    this.flush();
    if (!this.#isLive()) throw this.#learnFence(false);
    this.#refused = (this.#refused + 1) | 0;
    Atomics.store(this.words, this.#place.cursors + ProducerCursor.refused, this.#refused);
    return false;
  }

  /** Counts a wait for credit. */
  countWait(): void {
    const word = this.#place.cursors + ProducerCursor.creditWaits;
    Atomics.store(this.words, word, (Atomics.load(this.words, word) + 1) | 0);
  }

  #check(topic: TopicId, byteLength: number, key: number): void {
    if (this.#end !== notEnded) throw this.#endError();
    if (!this.#isLength(byteLength)) throw this.#tooLarge(byteLength);
    if (typeof key !== 'number' || (key | 0) !== key) checkKey(key);
    if (topic >>> 0 !== topic || topic >= this.#topics) this.#learnTopics(topic);
  }

  #tooLarge(byteLength: number): BusError {
    return this.#refusal(tooLarge(byteLength, this.#payloadMax));
  }

  #isLength(byteLength: number): boolean {
    return byteLength >>> 0 === byteLength && byteLength <= this.#payloadMax;
  }

  /** Topics are numbered in the order in which they came and never go: the first without a name ends the list. */
  #learnTopics(topic: TopicId): void {
    const { topicNames, sizes } = this.#layout;
    const step = topicNameBytes / 4;
    while (this.#topics < sizes.topics && this.words[topicNames + this.#topics * step] !== 0) this.#topics += 1;
    if (topic >>> 0 === topic && topic < this.#topics) return;
    throw this.#refusal(unknownTopicNumber(topic, this.#topics));
  }

  /** The same for a commit: where that is told of a fence, nothing is reserved any more. */
  #learnTopicsToCommit(topic: TopicId): void {
    try {
      this.#learnTopics(topic);
    } catch (error) {
      if (this.#end !== notEnded) this.#endReservation();
      throw error;
    }
  }

  /**
   * What a message is refused with for which this generation has no topic, or no slot that is large enough. Who has lost its seat is told of that instead, as by
   * `#refuse`: the next generation may have what it asks for, and nothing else that it calls may ever look at the seat.
   */
  #refusal(error: BusError): BusError {
    if (this.#isLive()) return error;
    this.flush();
    return this.#learnFence(false);
  }

  #isLive(): boolean {
    return Atomics.load(this.words, this.#place.at) === this.#seatLive;
  }

  #learnFence(maybeRouted: boolean): FencedError {
    this.#end = End.fenced;
    // Who writes into a reserved slot may be another than who is told here, or nobody is told yet.
    if (this.#reserved < 0) this.#fenced();
    return fencedError(maybeRouted);
  }

  /** Nobody writes into a reserved slot any more: a fence that was met meanwhile is acknowledged. */
  #endReservation(): void {
    if (this.#reserved < 0) return;
    this.#reserved = -1;
    if (this.#end === End.fenced) this.#fenced();
  }

  #endCommit(): BusError {
    this.#endReservation();
    return this.#endError();
  }

  #endError(): BusError {
    const untold = this.#untold;
    this.#untold = undefined;
    if (untold !== undefined) return untold;
    return this.#end === End.fenced ? fencedError(false) : new BusError('IB_CLOSED', 'the producer is closed');
  }

  /** No call publishes any more; what was published is flushed. A fence that is met here is acknowledged and not told. */
  close(): void {
    this.#endReservation();
    if (this.#end !== notEnded) return;
    this.flushQuietly();
    if (this.#end === notEnded) this.#end = End.closed;
  }

  /** Messages published since the seat was taken. */
  get published(): number {
    return this.#sequence;
  }
}
