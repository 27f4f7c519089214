/** Counts by number of an incarnation. */
export class Tally {
  readonly #counts = new Map<number, number>();

  add(of: number, more = 1): void {
    this.#counts.set(of, this.of(of) + more);
  }

  of(of: number): number {
    return this.#counts.get(of) ?? 0;
  }

  get sum(): number {
    let sum = 0;
    for (const count of this.#counts.values()) sum += count;
    return sum;
  }

  keys(): Iterable<number> {
    return this.#counts.keys();
  }
}
