/** A stretch of the log that cannot be read on this broker. */
export interface PartitionDamage {
  readonly reason: string;
  readonly firstOffset: number;
  readonly lastOffset: number;
}

/** The same with its place in the files. */
export interface DamagedRange extends PartitionDamage {
  /** Name of the segment. */
  readonly base: number;
  /** Bytes [from, to) of it. */
  readonly from: number;
  readonly to: number;
}

/** Damaged ranges of one partition, none of them overlapping, by ascending offset. */
export class DamageList {
  #ranges: DamagedRange[] = [];

  get all(): readonly DamagedRange[] {
    return this.#ranges;
  }

  /** The range that holds `offset`. */
  at(offset: number): DamagedRange | undefined {
    return this.#ranges.find((range) => range.firstOffset <= offset && offset <= range.lastOffset);
  }

  /** First damaged offset at or after `offset`; Infinity without one. */
  nextFrom(offset: number): number {
    return this.#ranges.find((range) => range.lastOffset >= offset)?.firstOffset ?? Number.POSITIVE_INFINITY;
  }

  /** Adds a range. False when it was known. */
  add(range: DamagedRange): boolean {
    if (this.#ranges.some((known) => known.base === range.base && known.from <= range.from && range.to <= known.to))
      return false;
    const rest = this.#ranges.filter(
      (known) => known.lastOffset < range.firstOffset || known.firstOffset > range.lastOffset,
    );
    this.#ranges = [...rest, range].sort((a, b) => a.firstOffset - b.firstOffset);
    return true;
  }

  remove(range: DamagedRange): void {
    this.#ranges = this.#ranges.filter((known) => known !== range);
  }

  /** The log begins at `start` now. */
  trim(start: number): void {
    this.#ranges = this.#ranges.filter((range) => range.lastOffset >= start);
  }

  clear(): void {
    this.#ranges = [];
  }
}
