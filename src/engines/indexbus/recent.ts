import type { Millis } from '../../host/clock.ts';
import type { Counters } from './counters.ts';

/** How long a refusal counts as recent. */
const windowMs: Millis = 2_000;

/** What lanes refused, and how often producers lacked credit, within the last seconds. */
export class Recent {
  readonly #counters: Counters;
  readonly #lanes: number;
  readonly #producers: number;
  readonly #history: { readonly at: Millis; readonly refused: Float64Array; readonly waits: Float64Array }[] = [];

  constructor(counters: Counters, sizes: { readonly lanes: number; readonly producers: number }) {
    this.#counters = counters;
    this.#lanes = sizes.lanes;
    this.#producers = sizes.producers;
  }

  /** Takes note of the counters as they are now. */
  tick(now: Millis): void {
    const last = this.#history.at(-1);
    // A quarter of the window is near enough, and keeps the history short.
    if (last !== undefined && now - last.at < windowMs / 4) return;
    const refused = Float64Array.from({ length: this.#lanes }, (_, lane) => this.#refusedInAll(lane));
    const waits = Float64Array.from({ length: this.#producers }, (_, producer) => this.#waitsInAll(producer));
    this.#history.push({ at: now, refused, waits });
    while ((this.#history[1]?.at ?? now) <= now - windowMs) this.#history.shift();
  }

  #refusedInAll(lane: number): number {
    const it = this.#counters.lane(lane);
    return it.droppedNewest + it.droppedOldest + it.droppedPool + it.droppedNoCredit + it.droppedAllFull;
  }

  #waitsInAll(producer: number): number {
    const { creditWaits, refused } = this.#counters.producer(producer);
    return creditWaits + refused;
  }

  /** Deliveries that the lane refused. */
  refused(lane: number): number {
    return this.#refusedInAll(lane) - (this.#history[0]?.refused[lane] ?? 0);
  }

  /** How often the producer lacked credit. */
  waits(producer: number): number {
    return this.#waitsInAll(producer) - (this.#history[0]?.waits[producer] ?? 0);
  }
}
