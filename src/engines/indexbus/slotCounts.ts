/** Of an entry that names a slot which no lane has: it is damaged. */
export const stray = -1;
// An exported number is looked up with each use, this one is folded.
const strayed = -1;

/**
 * How many lanes have each slot, and how many slots of each producer each lane has: the router's own book, kept in its memory alone. A successor
 * writes it anew from the lanes, so nothing of it needs repair after a crash.
 */
export class SlotCounts {
  /** By producer and slot. */
  readonly #lanesOf: Uint8Array;
  /** By lane and producer: entries of the lane that count against its share of the producer's pool. */
  readonly #held: Int32Array;
  /** Slots of each producer that are in at least one lane. */
  readonly #away: Int32Array;
  readonly #slots: number;
  readonly #producers: number;

  constructor(producers: number, lanes: number, slots: number) {
    this.#slots = slots;
    this.#producers = producers;
    this.#lanesOf = new Uint8Array(producers * slots);
    this.#held = new Int32Array(lanes * producers);
    this.#away = new Int32Array(producers);
  }

  clear(): void {
    this.#lanesOf.fill(0);
    this.#held.fill(0);
    this.#away.fill(0);
  }

  /** One more lane has the slot. */
  take(producer: number, slot: number): void {
    const at = producer * this.#slots + slot;
    const lanes = this.#lanesOf[at] ?? 0;
    if (lanes === 0) this.#away[producer] = (this.#away[producer] ?? 0) + 1;
    this.#lanesOf[at] = lanes + 1;
  }

  /** Gives a slot that no lane has to so many; false if one has it. `tookFresh` ends a run of them. */
  takeFresh(producer: number, slot: number, lanes: number): boolean {
    const at = producer * this.#slots + slot;
    if (this.#lanesOf[at] !== 0) return false;
    this.#lanesOf[at] = lanes;
    return true;
  }

  tookFresh(producer: number, slots: number): void {
    this.#away[producer] = (this.#away[producer] ?? 0) + slots;
  }

  /**
   * One lane less has it. `cameHome` ends a run of slots that none has any more.
   *
   * @returns how many lanes still have it, `stray` if none had it
   */
  release(producer: number, slot: number): number {
    if (producer >= this.#producers || slot >= this.#slots) return strayed;
    const at = producer * this.#slots + slot;
    const lanes = (this.#lanesOf[at] ?? 0) - 1;
    if (lanes >= 0) this.#lanesOf[at] = lanes;
    return lanes;
  }

  cameHome(producer: number, slots: number): void {
    this.#away[producer] = (this.#away[producer] ?? 0) - slots;
  }

  lanesOf(producer: number, slot: number): number {
    return this.#lanesOf[producer * this.#slots + slot] ?? 0;
  }

  /** Slots of the producer that are in lanes. */
  away(producer: number): number {
    return this.#away[producer] ?? 0;
  }

  hold(lane: number, producer: number, entries = 1): void {
    const at = lane * this.#producers + producer;
    this.#held[at] = (this.#held[at] ?? 0) + entries;
  }

  letGo(lane: number, producer: number, entries = 1): void {
    // What a damaged entry names is nobody's.
    if (producer >= this.#producers) return;
    const at = lane * this.#producers + producer;
    this.#held[at] = (this.#held[at] ?? 0) - entries;
  }

  /** Entries of the producer that the lane has, evicted ones not counted. */
  held(lane: number, producer: number): number {
    return this.#held[lane * this.#producers + producer] ?? 0;
  }
}
