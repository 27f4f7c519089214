import type { Region } from '../../host/sharedMemory.ts';
import { wakeRouter } from './bells.ts';
import { advanced, distance, frozen, isFrozen } from './cursor.ts';
import { BusError, FencedError } from './errors.ts';
import { Access, Header, LaneCursor, Seat, SegmentState } from './layout.ts';
import type { IndexbusMutantFlags } from './mutants.ts';
import { Point } from './points.ts';
import { SeatState, seatWord } from './seat.ts';
import type { SeatPlace } from './seatPlaces.ts';

/** Bugs that can be planted here. */
export type HeadMutants = Pick<IndexbusMutantFlags, 'headByStore' | 'signedCompare'>;

/**
 * A lane's cursors as its consumer moves them: both ways to receive stand on this. The head says at once what was taken and where the consumer
 * stands; the router moves it only after freezing it, to a value that nobody here expects, so the compare-and-swap of a claim fails
 * whenever an eviction or a fence was faster.
 */
export class LaneHead {
  readonly #region: Region;
  readonly #words: Int32Array;
  readonly #headWord: number;
  readonly #doneWord: number;
  readonly #tailWord: number;
  readonly #seatAt: number;
  readonly #seatLive: number;
  /** Slots and room come back to the router where messages are done, and not where they were claimed. */
  readonly #byDone: boolean;
  readonly #fenced: () => void;
  readonly #mutants: HeadMutants;
  #cachedTail: number;
  #claimed: number;
  #end: 'no' | 'closed' | 'fenced' = 'no';
  #missed = 0;

  /** @param fenced called once, when this side learns that the seat was taken: acknowledges it */
  constructor(region: Region, place: SeatPlace, epoch: number, fenced: () => void, mutants: HeadMutants) {
    this.#region = region;
    this.#words = region.words;
    this.#headWord = place.cursors + LaneCursor.head;
    this.#doneWord = place.cursors + LaneCursor.done;
    this.#tailWord = place.cursors + LaneCursor.tail;
    this.#seatAt = place.at;
    this.#seatLive = seatWord(epoch, SeatState.live);
    // The router has written it before the seat went live.
    this.#byDone = Atomics.load(this.#words, place.at + Seat.access) === Access.view;
    this.#fenced = fenced;
    this.#mutants = mutants;
    this.#cachedTail = Atomics.load(this.#words, this.#tailWord);
    const head = Atomics.load(this.#words, this.#headWord);
    // It may have been frozen since the seat went live.
    this.#claimed = isFrozen(head, this.#cachedTail) ? frozen(head) : head;
  }

  /** Where the next message stands. */
  get position(): number {
    return this.#claimed;
  }

  /** Whether the lane was taken, and this consumer was told. */
  get isFenced(): boolean {
    return this.#end === 'fenced';
  }

  /** Whether the application is through with all that was claimed. */
  get isThrough(): boolean {
    return this.#words[this.#doneWord] === this.#claimed;
  }

  /** Messages that were unread when the lane was taken from this consumer. */
  get missed(): number {
    return this.#missed;
  }

  /**
   * How many messages can be claimed. 0: none, or the router is about to move the head. Throws IB_FENCED, IB_CLOSED.
   */
  look(): number {
    if (this.#end !== 'no') throw this.#endError();
    const head = Atomics.load(this.#words, this.#headWord);
    if (head !== this.#claimed && !this.#follow(head)) return 0;
    const cached = this.#ahead(head);
    if (cached > 0) return cached;
    this.#region.step(Point.loadTail);
    this.#cachedTail = Atomics.load(this.#words, this.#tailWord);
    const ahead = this.#ahead(head);
    if (ahead > 0) return ahead;
    this.#checkSeat();
    return 0;
  }

  #ahead(head: number): number {
    if (this.#mutants.signedCompare && this.#cachedTail >>> 0 < head >>> 0) return 0;
    return distance(this.#cachedTail, head);
  }

  /** The head is not where it was left: an eviction has moved it, and then it goes on from there; or it is frozen. */
  #follow(head: number): boolean {
    // The router fences a lane before it has moved its head by 2^30, so far and a freeze cannot be mixed up.
    if (!isFrozen(head, this.#claimed)) {
      if (distance(head, this.#claimed) < 0) throw this.#wentBack(head);
      this.#claimed = head;
      return true;
    }
    this.#checkSeat();
    return false;
  }

  /**
   * Whether the head is still where `look` found it: what was read since is what the router wrote there. A compare-and-swap with itself, since a load could
   * be carried out before plain loads that precede it; no such load is after the swap.
   */
  isStill(): boolean {
    return Atomics.compareExchange(this.#words, this.#headWord, this.#claimed, this.#claimed) === this.#claimed;
  }

  /** Takes `count` messages; false if the router was faster. */
  claim(count: number): boolean {
    this.#region.step(Point.claimHead);
    const next = advanced(this.#claimed, count);
    if (this.#mutants.headByStore) Atomics.store(this.#words, this.#headWord, next);
    else if (Atomics.compareExchange(this.#words, this.#headWord, this.#claimed, next) !== this.#claimed) {
      this.#region.step(Point.lostClaim);
      return false;
    }
    this.#claimed = next;
    this.#region.step(Point.consumerWakesRouter);
    if (!this.#byDone) wakeRouter(this.#region);
    return true;
  }

  /** Says that the application is through with all that was claimed; wakes the router where that is what it waits for. */
  ack(): void {
    if (this.#words[this.#doneWord] === this.#claimed) return;
    if (this.#end !== 'no') return;
    this.#region.step(Point.storeDone);
    Atomics.store(this.#words, this.#doneWord, this.#claimed);
    if (!this.#byDone) return;
    this.#region.step(Point.doneWakesRouter);
    wakeRouter(this.#region);
  }

  /** Whether a call of `look` has something to say: messages, a fence, an end. A frozen head is nothing yet. */
  hasNews(): boolean {
    if (this.#end !== 'no' || Atomics.load(this.#words, this.#seatAt) !== this.#seatLive) return true;
    const head = Atomics.load(this.#words, this.#headWord);
    if (isFrozen(head, this.#claimed)) return false;
    const tail = Atomics.load(this.#words, this.#tailWord);
    if (this.#mutants.signedCompare && tail >>> 0 < head >>> 0) return false;
    return distance(tail, head) > 0;
  }

  /** Nothing is received any more, and all that was received is done. */
  close(): void {
    this.ack();
    if (this.#end === 'no') this.#end = 'closed';
  }

  #checkSeat(): void {
    if (Atomics.load(this.#words, this.#seatAt) === this.#seatLive) return;
    this.#missed = Math.max(0, distance(Atomics.load(this.#words, this.#tailWord), this.#claimed));
    this.#end = 'fenced';
    // The call that brought us here has ended what was received before: nothing of this lane is read or written after it.
    this.#fenced();
    throw this.#endError();
  }

  #wentBack(head: number): BusError {
    return new BusError('IB_CORRUPT', 'the head of the lane went back: detach the lane, then look at it', {
      expected: `${this.#claimed >>> 0} or later`,
      got: String(head >>> 0),
    });
  }

  #whyFenced(): string {
    const isRolled = Atomics.load(this.#words, Header.state) === SegmentState.retired;
    return isRolled
      ? 'the segment was replaced, and this consumer was not through with its lane in time: reattach, which goes on in the next generation'
      : 'the lane was taken from this consumer: reattach, or open another';
  }

  #endError(): BusError {
    return this.#end === 'fenced'
      ? new FencedError(this.#whyFenced(), false)
      : new BusError('IB_CLOSED', 'the consumer is closed');
  }
}
