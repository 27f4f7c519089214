import { StagedProducer } from './commit.ts';
import { cursorWords, DetachReason, ProducerCursor, Seat, seatWords } from './layout.ts';
import { Point } from './points.ts';
import { reasonOfLeaver } from './reasonOfLeaver.ts';
import type { RouterParts } from './routerParts.ts';
import { SeatState, stateOf } from './seat.ts';
import { changeSeat, wake } from './seatChange.ts';
import { SourceLife } from './sources.ts';

/**
 * Producers that end: what they flushed is still routed, and the seat is free when none of their slots is in a lane any more, so that a
 * successor's pool is whole.
 */
export class SourceEndings {
  readonly #parts: RouterParts;
  readonly #words: Int32Array;
  /** Producers that end. */
  #underWay = 0;

  constructor(parts: RouterParts) {
    this.#parts = parts;
    this.#words = parts.region.words;
  }

  #seat(producer: number): number {
    return this.#parts.layout.producerSeats + producer * seatWords;
  }

  #cursor(producer: number, word: number): number {
    return this.#parts.layout.producerCursors + producer * cursorWords + word;
  }

  /**
   * Takes the seat from its holder, which may be alive. What it flushed before is routed: its tail is read after the seat has changed, so that a
   * flush whose holder still found itself live counts. One that has said that it leaves goes as it would have.
   *
   * @param tail where its source ends, if its own word cannot be believed
   */
  fence(producer: number, reason: number, tail?: number): boolean {
    const at = this.#seat(producer);
    for (;;) {
      const word = Atomics.load(this.#words, at);
      const state = stateOf(word);
      if (state === 'leaving') return this.drain(producer, reason, tail);
      if (state !== 'live') return false;
      this.#words[at + Seat.reason] = DetachReason.none;
      const inMemory = this.#parts.mutants.fenceInMemory;
      if (!inMemory && !changeSeat(this.#parts.region, at, word, 'fenced', Point.fenceSeat)) continue;
      this.#recordTail(producer, reason, tail);
      this.#begin(producer, reason);
      return true;
    }
  }

  /**
   * What a source has at `tail` cannot be, and its producer has ended before: nobody is there from whom the seat could be taken, and what stands
   * behind is lost. So that the source holds up nobody, it ends there.
   */
  cut(producer: number, tail: number): void {
    this.#recordTail(producer, DetachReason.corrupt, tail);
    const { sources, events } = this.#parts;
    sources.endsAt[producer] = tail;
    events.producerEnded?.(producer, DetachReason.corrupt);
  }

  /** A reason beside a fence says that its tail is written. */
  #recordTail(producer: number, reason: number, tail: number | undefined): void {
    const at = this.#seat(producer);
    const flushed = Atomics.load(this.#words, this.#cursor(producer, ProducerCursor.sourceTail));
    Atomics.store(this.#words, at + Seat.fenceTail, tail ?? flushed);
    Atomics.store(this.#words, at + Seat.reason, reason);
  }

  /**
   * The producer has left, or is proven dead.
   *
   * @param tail where its source ends, if its own word cannot be believed
   */
  drain(producer: number, given: number, tail?: number): boolean {
    const at = this.#seat(producer);
    const word = Atomics.load(this.#words, at);
    const state = stateOf(word);
    const reason = state === 'leaving' ? reasonOfLeaver(given) : given;
    if (state === 'claimed' || state === 'ready') {
      return changeSeat(this.#parts.region, at, word, 'free', Point.freeSeat);
    }
    if (state === 'free' || state === 'draining' || state === undefined) return false;
    if (state !== 'fenced' && state !== 'acked') this.#recordTail(producer, reason, tail);
    if (!changeSeat(this.#parts.region, at, word, 'draining', Point.fenceSeat)) return false;
    const { sources, telemetry } = this.#parts;
    telemetry.sometimes(
      'producer died between flush and doorbell',
      reason === DetachReason.dead && sources.depth(producer) > 0 && !sources.isPending(producer),
    );
    if (sources.life[producer] === SourceLife.live) this.#begin(producer, reason);
    return true;
  }

  /** A successor goes on with a producer that its predecessor was ending. */
  resume(producer: number): void {
    const at = this.#seat(producer);
    const reason = this.#words[at + Seat.reason] ?? 0;
    // Its predecessor died between the fence and the tail.
    if (reason === DetachReason.none) this.#recordTail(producer, DetachReason.operator, undefined);
    this.#begin(producer, this.#words[at + Seat.reason] ?? 0);
  }

  #begin(producer: number, reason: number): void {
    const { sources, events, region } = this.#parts;
    sources.setLife(producer, SourceLife.ending);
    this.#underWay += 1;
    sources.ends[producer] = 1;
    sources.endsAt[producer] = Atomics.load(this.#words, this.#seat(producer) + Seat.fenceTail);
    sources.suspect(producer);
    events.producerEnded?.(producer, reason);
    wake(region, this.#cursor(producer, ProducerCursor.wake));
  }

  /** After a commit: frees the seats of which nothing is left. */
  finish(): void {
    if (this.#underWay === 0) return;
    const { sources } = this.#parts;
    for (let producer = 0; producer < sources.count; producer += 1) {
      if (sources.life[producer] === SourceLife.ending) this.#advanceSeat(producer);
    }
  }

  #advanceSeat(producer: number): void {
    const { sources, counts, commit, region, mutants, events } = this.#parts;
    const at = this.#seat(producer);
    const word = Atomics.load(this.#words, at);
    const state = word & 15;
    if (state === SeatState.acked || (state === SeatState.fenced && mutants.seatReuseUnacked)) {
      changeSeat(region, at, word, 'draining', Point.fenceSeat);
      return;
    }
    if (state !== SeatState.draining) return;
    const head = commit.value(commit.producer(producer, StagedProducer.sourceHead));
    if (head !== sources.tail(producer) || counts.away(producer) !== 0) return;
    // What was flushed after a fence never was. Its holder knows, or is dead: nobody else writes the word now, and no successor counts it.
    Atomics.store(this.#words, this.#cursor(producer, ProducerCursor.sourceTail), head);
    if (!changeSeat(region, at, word, 'free', Point.freeSeat)) return;
    sources.setLife(producer, SourceLife.none);
    this.#underWay -= 1;
    events.producerFreed?.(producer);
    wake(region, this.#cursor(producer, ProducerCursor.wake));
  }
}
