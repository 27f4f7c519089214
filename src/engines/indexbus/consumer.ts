import type { Region } from '../../host/sharedMemory.ts';
import { advanced, distance } from './cursor.ts';
import { bytesOf, descriptorWords, ownerOf, slotOf } from './descriptor.ts';
import { BusError, FencedError } from './errors.ts';
import { cursorWords, Header, LaneCursor, type Layout, seatWords, slotHeaderWords } from './layout.ts';
import type { MessageBatch } from './messageBatch.ts';
import { Point } from './points.ts';
import { SeatState, seatWord } from './seat.ts';

/** Bugs that can be planted here. */
export interface ConsumerMutants {
  readonly headByStore: boolean;
  readonly receiveBeforeClaim: boolean;
}

/** How often a claim that an eviction has beaten is tried again. */
const claimTries = 8;

/**
 * The hot path of a consumer that copies: copies descriptors and payloads out first, then claims them by one compare-and-swap of the head. A copy that
 * was raced by the reuse of a slot therefore fails its claim and is thrown away: the router moves a head only after freezing it, to a value that
 * no consumer can expect.
 */
export class Receiver {
  readonly #region: Region;
  readonly #words: Int32Array;
  readonly #cursors: number;
  readonly #ring: number;
  readonly #ringMask: number;
  readonly #layout: Layout;
  readonly #seatAt: number;
  readonly #seatLive: number;
  readonly #batch: number;
  readonly #mutants: ConsumerMutants;
  #cachedTail: number;
  #claimed: number;
  #closed = false;

  constructor(region: Region, layout: Layout, lane: number, epoch: number, batch: number, mutants: ConsumerMutants) {
    this.#region = region;
    this.#words = region.words;
    this.#layout = layout;
    this.#cursors = layout.laneCursors + lane * cursorWords;
    this.#ring = layout.laneRings + lane * layout.laneRingStep;
    this.#ringMask = layout.sizes.laneRing - 1;
    this.#seatAt = layout.laneSeats + lane * seatWords;
    this.#seatLive = seatWord(epoch, SeatState.live);
    this.#batch = batch;
    this.#mutants = mutants;
    this.#cachedTail = Atomics.load(this.#words, this.#cursors + LaneCursor.tail);
    this.#claimed = Atomics.load(this.#words, this.#cursors + LaneCursor.head);
  }

  /**
   * Takes what there is, up to a batch, into `into`, and ends what was received before. Returns how many. Throws IB_FENCED, IB_CLOSED,
   * IB_BATCH_TOO_SMALL if not even the first message fits: it stays in the lane.
   */
  receive(into: MessageBatch): number {
    if (this.#closed) throw this.#closedError();
    this.ack();
    into.length = 0;
    const words = this.#words;
    const headWord = this.#cursors + LaneCursor.head;
    for (let tries = 0; tries < claimTries; tries += 1) {
      const head = Atomics.load(words, headWord);
      if (head !== this.#claimed && !this.#evictedTo(head)) return 0;
      let count = distance(this.#cachedTail, head);
      if (count <= 0) {
        this.#region.step(Point.loadTail);
        this.#cachedTail = Atomics.load(words, this.#cursors + LaneCursor.tail);
        count = distance(this.#cachedTail, head);
        if (count <= 0) {
          this.#checkSeat();
          return 0;
        }
      }
      const copied = this.#copy(into, head, Math.min(count, this.#batch, into.capacity));
      if (this.#claim(headWord, head, copied)) {
        into.length = copied;
        this.#wakeRouter();
        return copied;
      }
      if (this.#mutants.receiveBeforeClaim) {
        into.length = copied;
        return copied;
      }
      this.#region.step(Point.lostClaim);
    }
    return 0;
  }

  #claim(headWord: number, head: number, count: number): boolean {
    this.#region.step(Point.claimHead);
    const next = advanced(head, count);
    if (this.#mutants.headByStore) {
      Atomics.store(this.#words, headWord, next);
      this.#claimed = next;
      return true;
    }
    if (Atomics.compareExchange(this.#words, headWord, head, next) !== head) return false;
    this.#claimed = next;
    return true;
  }

  /** Another head than the one that was left: evicted, and then it goes on from there; frozen or fenced, and there is nothing. */
  #evictedTo(head: number): boolean {
    const moved = distance(head, this.#claimed);
    if (moved > 0 && moved <= this.#ringMask + 1) {
      this.#claimed = head;
      return true;
    }
    this.#checkSeat();
    return false;
  }

  #copy(into: MessageBatch, head: number, count: number): number {
    const words = this.#words;
    const target = into.words;
    this.#region.step(Point.copyOut);
    for (let index = 0; index < count; index += 1) {
      const at = this.#ring + ((head + index) & this.#ringMask) * descriptorWords;
      const word0 = words[at] ?? 0;
      const word1 = words[at + 1] ?? 0;
      const payloadWords = (bytesOf(word1) + 3) >> 2;
      const room = into.roomAt(index);
      if (room + payloadWords > target.length) {
        if (index > 0) return index;
        throw new BusError('IB_BATCH_TOO_SMALL', 'not even one message fits: the batch needs more room', {
          expected: `${payloadWords * 4} bytes`,
          got: `${target.byteLength} bytes`,
        });
      }
      const from =
        this.#layout.pools +
        ownerOf(word0) * this.#layout.poolStep +
        slotOf(word0) * this.#layout.slotWords +
        slotHeaderWords;
      for (let word = 0; word < payloadWords; word += 1) target[room + word] = words[from + word] ?? 0;
      into.note(index, word0, word1, words[at + 2] ?? 0, words[at + 3] ?? 0, room + payloadWords);
    }
    return count;
  }

  /** Says that the application is through with everything received. */
  ack(): void {
    const word = this.#cursors + LaneCursor.done;
    this.#region.step(Point.storeDone);
    if (this.#words[word] !== this.#claimed) Atomics.store(this.#words, word, this.#claimed);
  }

  #wakeRouter(): void {
    this.#region.step(Point.consumerWakesRouter);
    if (Atomics.load(this.#words, Header.routerSleeping) === 0) return;
    Atomics.add(this.#words, Header.routerWake, 1);
    this.#region.wake(Header.routerWake, 1);
  }

  /** Whether something is in the lane. */
  hasMessages(): boolean {
    return distance(Atomics.load(this.#words, this.#cursors + LaneCursor.tail), this.#claimed) > 0;
  }

  #checkSeat(): void {
    if (Atomics.load(this.#words, this.#seatAt) === this.#seatLive) return;
    this.#closed = true;
    throw this.#closedError();
  }

  #closedError(): BusError {
    return Atomics.load(this.#words, this.#seatAt) === this.#seatLive
      ? new BusError('IB_CLOSED', 'the consumer is closed')
      : new FencedError('the lane was taken from this consumer: reattach, or open another', false);
  }

  /** No call receives any more. */
  end(): void {
    if (this.#closed) return;
    this.ack();
    this.#closed = true;
  }
}
