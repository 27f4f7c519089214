import type { Clock } from '../../host/clock.ts';
import type { Region } from '../../host/sharedMemory.ts';
import { descriptorWords, keyHash, topicAndKey } from './descriptor.ts';
import { BusError, FencedError } from './errors.ts';
import {
  cursorWords,
  Header,
  type Layout,
  ProducerCursor,
  payloadBytesMax,
  Seat,
  Slot,
  seatWords,
  slotHeaderWords,
} from './layout.ts';
import { Point } from './points.ts';
import { SeatState, seatWord } from './seat.ts';
import { SlotStack } from './slotStack.ts';

/** A topic's number: what messages carry. */
export type TopicId = number;

/** Bugs that can be planted here. */
export interface ProducerMutants {
  readonly tailBeforePayload: boolean;
}

export interface PublisherOptions {
  /** Messages after which the router is told; 1 to the slots. */
  readonly flushEvery: number;
  /** Of its own, below the slots; 0 for none. */
  readonly creditLimit: number;
  /** Writes a check word over each payload, which receivers in checked mode compare. */
  readonly checked: boolean;
}

/** A payload up to this many bytes is copied word by word, a longer one by the runtime. */
const wordCopyBytes = 512;

/**
 * The hot path of a producer on its seat: takes a slot, writes the payload into it and a descriptor behind the tail, and tells the router of a whole
 * batch by one store of the tail. No call allocates, waits or enters the kernel, but for waking a router that sleeps.
 */
export class Publisher {
  readonly words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #region: Region;
  readonly #clock: Clock;
  readonly #slots: SlotStack;
  readonly #options: PublisherOptions;
  readonly #mutants: ProducerMutants;
  readonly #cursors: number;
  readonly #ring: number;
  readonly #pool: number;
  readonly #slotWords: number;
  readonly #mask: number;
  readonly #payloadMax: number;
  readonly #seatAt: number;
  readonly #seatLive: number;
  readonly #bellWord: number;
  readonly #bellBit: number;
  readonly #total: number;
  #tail: number;
  #flushed: number;
  #sequence = 0;
  #reserved = -1;
  #reservedBytes = 0;
  #refused = 0;
  #closed = false;

  constructor(
    region: Region,
    layout: Layout,
    clock: Clock,
    producer: number,
    epoch: number,
    options: PublisherOptions,
    mutants: ProducerMutants,
  ) {
    this.#region = region;
    this.words = region.words;
    this.#bytes = region.bytes;
    this.#clock = clock;
    this.#options = options;
    this.#mutants = mutants;
    this.#cursors = layout.producerCursors + producer * cursorWords;
    this.#ring = layout.sources + producer * layout.sourceStep;
    this.#pool = layout.pools + producer * layout.poolStep;
    this.#slotWords = layout.slotWords;
    this.#mask = layout.sizes.slots - 1;
    this.#total = layout.sizes.slots;
    this.#payloadMax = payloadBytesMax(layout.sizes);
    this.#seatAt = layout.producerSeats + producer * seatWords;
    this.#seatLive = seatWord(epoch, SeatState.live);
    this.#bellWord = Header.doorbell + (producer >> 5);
    this.#bellBit = 1 << (producer & 31);
    this.#slots = new SlotStack(region, layout, producer);
    this.#tail = Atomics.load(this.words, this.#cursors + ProducerCursor.sourceTail);
    this.#flushed = this.#tail;
    this.#refused = Atomics.load(this.words, this.#cursors + ProducerCursor.refused);
  }

  /** Messages that can be published before one is refused, as far as is known without a look at what came back. */
  get credit(): number {
    const limit = this.#limit();
    const away = this.#total - this.#slots.count;
    return Math.max(0, Math.min(this.#slots.count, limit === 0 ? this.#total : limit - away));
  }

  /** The stricter of its own limit and the operator's; 0 for none. */
  #limit(): number {
    const told = this.words[this.#seatAt + Seat.creditLimit] ?? 0;
    const own = this.#options.creditLimit;
    return told === 0 ? own : own === 0 ? told : Math.min(told, own);
  }

  /** Whether `publish` would take a message now. */
  hasCredit(): boolean {
    return this.#freeSlot() >= 0;
  }

  #freeSlot(): number {
    this.#region.step(Point.takeSlot);
    const limit = this.#limit();
    if (limit !== 0 && this.#total - this.#slots.count >= limit) {
      if (!this.#slots.fetch() || this.#total - this.#slots.count >= limit) return -1;
    }
    return this.#slots.peek();
  }

  /**
   * Publishes a copy of `payload`. False: no credit, nothing happened. Throws IB_TOO_LARGE, IB_CLOSED, IB_FENCED.
   *
   * @param key of a keyed subscription, any 32-bit number; default 0
   */
  publish(topic: TopicId, payload: Uint8Array, key = 0): boolean {
    const { byteLength } = payload;
    this.#check(byteLength);
    const slot = this.#freeSlot();
    if (slot < 0) return this.#refuse();
    const word = this.#pool + slot * this.#slotWords + slotHeaderWords;
    if (this.#mutants.tailBeforePayload) this.#append(topic, slot, byteLength, key);
    this.#region.step(Point.writePayload);
    this.#bytes.set(payload, word * 4);
    if (!this.#mutants.tailBeforePayload) this.#append(topic, slot, byteLength, key);
    return true;
  }

  /** Publishes `count` words of `words` from `from`: the fastest way, for payloads that are words already. */
  publishWords(topic: TopicId, words: Int32Array, from: number, count: number, key = 0): boolean {
    const byteLength = count * 4;
    this.#check(byteLength);
    const slot = this.#freeSlot();
    if (slot < 0) return this.#refuse();
    const at = this.#pool + slot * this.#slotWords + slotHeaderWords;
    this.#region.step(Point.writePayload);
    if (byteLength <= wordCopyBytes) {
      const target = this.words;
      for (let index = 0; index < count; index += 1) target[at + index] = words[from + index] ?? 0;
    } else this.words.set(words.subarray(from, from + count), at);
    this.#append(topic, slot, byteLength, key);
    return true;
  }

  /**
   * Keeps a slot for a payload that is written in place: the number of its first word in `words`, -1 without credit. Throws IB_RESERVED while one
   * is kept, IB_TOO_LARGE.
   */
  reserve(byteLength: number): number {
    this.#check(byteLength);
    if (this.#reserved >= 0) {
      throw new BusError('IB_RESERVED', 'a slot is reserved already: commit it first');
    }
    const slot = this.#freeSlot();
    if (slot < 0) {
      this.#refuse();
      return -1;
    }
    this.#reserved = slot;
    this.#reservedBytes = byteLength;
    return this.#pool + slot * this.#slotWords + slotHeaderWords;
  }

  /** Publishes what was written into the reserved slot. Throws IB_RESERVED without one, IB_TOO_LARGE beyond what was reserved. */
  commit(topic: TopicId, byteLength: number, key = 0): void {
    const slot = this.#reserved;
    if (slot < 0) throw new BusError('IB_RESERVED', 'no slot is reserved: call reserve first');
    if (byteLength > this.#reservedBytes || byteLength < 0) {
      throw new BusError('IB_TOO_LARGE', `the commit is longer than what was reserved`, {
        expected: `0 to ${this.#reservedBytes} bytes`,
        got: `${byteLength} bytes`,
      });
    }
    this.#check(byteLength);
    this.#reserved = -1;
    this.#append(topic, slot, byteLength, key);
  }

  #append(topic: TopicId, slot: number, byteLength: number, key: number): void {
    const { words } = this;
    const header = this.#pool + slot * this.#slotWords;
    words[header + Slot.sequence] = this.#sequence;
    words[header + Slot.byteLength] = byteLength;
    // Wraps after 71 minutes; only differences of much less are taken.
    words[header + Slot.publishedAt] = (this.#clock.now() * 1000) | 0;
    words[header + Slot.check] = this.#options.checked ? payloadCheck(words, header + slotHeaderWords, byteLength) : 0;
    this.#slots.take();
    const at = this.#ring + (this.#tail & this.#mask) * descriptorWords;
    this.#region.step(Point.writeDescriptor);
    words[at] = slot;
    words[at + 1] = byteLength;
    words[at + 2] = topicAndKey(topic, keyHash(key));
    words[at + 3] = this.#sequence;
    this.#sequence = (this.#sequence + 1) | 0;
    this.#tail = (this.#tail + 1) | 0;
    if (((this.#tail - this.#flushed) | 0) >= this.#options.flushEvery) this.flush();
  }

  /** Tells the router of everything published so far. Throws IB_FENCED if the seat was taken meanwhile. */
  flush(): void {
    const { words } = this;
    if (this.#tail === this.#flushed) return;
    this.#region.step(Point.storeTail);
    Atomics.store(words, this.#cursors + ProducerCursor.sourceTail, this.#tail);
    this.#flushed = this.#tail;
    this.#region.step(Point.ringDoorbell);
    if ((Atomics.load(words, this.#bellWord) & this.#bellBit) === 0) {
      Atomics.or(words, this.#bellWord, this.#bellBit);
    }
    this.#region.step(Point.wakeRouter);
    if (Atomics.load(words, Header.routerSleeping) !== 0) {
      Atomics.add(words, Header.routerWake, 1);
      this.#region.wake(Header.routerWake, 1);
    }
    if (Atomics.load(words, this.#seatAt) !== this.#seatLive) {
      this.#closed = true;
      throw new FencedError('the seat was taken from this producer: open another', true);
    }
  }

  #refuse(): boolean {
    this.#refused = (this.#refused + 1) | 0;
    Atomics.store(this.words, this.#cursors + ProducerCursor.refused, this.#refused);
    return false;
  }

  #check(byteLength: number): void {
    if (this.#closed) throw this.#closedError();
    if (byteLength > this.#payloadMax) {
      throw new BusError(
        'IB_TOO_LARGE',
        `the payload does not fit into a slot: roll the segment with a greater slot_bytes`,
        {
          expected: `0 to ${this.#payloadMax} bytes`,
          got: `${byteLength} bytes`,
        },
      );
    }
  }

  #closedError(): BusError {
    const word = Atomics.load(this.words, this.#seatAt);
    return word === this.#seatLive
      ? new BusError('IB_CLOSED', 'the producer is closed')
      : new FencedError('the seat was taken from this producer: open another', false);
  }

  /** No call publishes any more; what was published and not flushed is flushed. */
  end(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
  }

  /** Messages published since the seat was taken. */
  get published(): number {
    return this.#sequence;
  }
}

/** A word over a payload: xor and rotate, good against torn copies, not against an adversary. */
export function payloadCheck(words: Int32Array, from: number, byteLength: number): number {
  let check = 0x9e37_79b1 | 0;
  const whole = byteLength >> 2;
  for (let index = 0; index < whole; index += 1) {
    check = Math.imul(((check << 5) | (check >>> 27)) ^ (words[from + index] ?? 0), 0x85eb_ca6b);
  }
  const rest = byteLength & 3;
  if (rest > 0) {
    const last = (words[from + whole] ?? 0) & ((1 << (rest * 8)) - 1);
    check = Math.imul(((check << 5) | (check >>> 27)) ^ last, 0x85eb_ca6b);
  }
  return check;
}
