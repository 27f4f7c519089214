/** A segment of the log, as the fold of the log knows it: the same on every replica that has applied as much. */
export interface Segment {
  /** Offset of its first record, and its name. */
  readonly base: number;
  /** Bytes of batches that belong to it, written or not yet. */
  bytes: number;
  /** Largest time of its first batch; -1 before one. */
  firstTimestamp: number;
  /** Largest time of all; -1 before one. */
  maxTimestamp: number;
}

/** Segments by ascending base; the last one is written to. There is always one. */
export class SegmentList {
  #segments: Segment[];

  constructor(segments: readonly Segment[]) {
    if (segments.length === 0) throw new Error('a log has one segment at least');
    this.#segments = segments.map((segment) => ({ ...segment }));
  }

  get all(): readonly Segment[] {
    return this.#segments;
  }

  get active(): Segment {
    // The constructor and `dropBelow` leave one.
    return this.#segments.at(-1) as Segment;
  }

  get first(): Segment {
    // As above.
    return this.#segments[0] as Segment;
  }

  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  roll(base: number): Segment {
    const segment: Segment = { base, bytes: 0, firstTimestamp: -1, maxTimestamp: -1 };
    this.#segments.push(segment);
    return segment;
  }

  /** The segment that holds `offset`; undefined below the first. */
  holding(offset: number): Segment | undefined {
    return this.#segments[this.indexHolding(offset)];
  }

  /** Position in the list of the segment that holds `offset`; -1 below the first. */
  indexHolding(offset: number): number {
    let low = 0;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#segments[middle]?.base ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** The one after it; undefined after the last. */
  after(segment: Segment): Segment | undefined {
    return this.#segments[this.indexHolding(segment.base) + 1];
  }

  /** Takes out the segments that end at or below `start`, never the active one, and gives them. */
  dropBelow(start: number): Segment[] {
    let count = 0;
    while (count + 1 < this.#segments.length && (this.#segments[count + 1]?.base ?? start + 1) <= start) count += 1;
    return this.#segments.splice(0, count);
  }
}
