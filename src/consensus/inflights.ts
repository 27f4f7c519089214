import { RaftPanic } from './errors.ts';

/** The MsgApp with entries that are under way to one follower, oldest first: a ring that grows up to its bound. */
export class Inflights {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  #start = 0;
  #count = 0;
  #bytes = 0;
  #lastIndexes: number[] = [];
  #sizes: number[] = [];

  /** `maxBytes` 0: no limit. A message may go beyond it; the one after that has to wait. */
  constructor(maxMessages: number, maxBytes: number) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes === 0 ? Number.POSITIVE_INFINITY : maxBytes;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get full(): boolean {
    return this.#count === this.#maxMessages || this.#bytes >= this.#maxBytes;
  }

  /** One more message, whose last entry is `lastIndex`: higher than any before. Must not be full. */
  add(lastIndex: number, bytes: number): void {
    if (this.full) throw new RaftPanic('cannot add into a Full inflights');
    if (this.#count === this.#lastIndexes.length) this.#grow();
    let at = this.#start + this.#count;
    if (at >= this.#lastIndexes.length) at -= this.#lastIndexes.length;
    this.#lastIndexes[at] = lastIndex;
    this.#sizes[at] = bytes;
    this.#count++;
    this.#bytes += bytes;
  }

  /** What lies at or below `index` has arrived. */
  freeUpTo(index: number): void {
    while (this.#count > 0 && (this.#lastIndexes[this.#start] ?? 0) <= index) {
      this.#bytes -= this.#sizes[this.#start] ?? 0;
      this.#count--;
      this.#start++;
      if (this.#start === this.#lastIndexes.length) this.#start = 0;
    }
    if (this.#count === 0) this.#start = 0;
  }

  reset(): void {
    this.#start = 0;
    this.#count = 0;
    this.#bytes = 0;
  }

  #grow(): void {
    const size = Math.min(this.#maxMessages, Math.max(4, this.#lastIndexes.length * 2));
    const unrolled = (ring: readonly number[]): number[] => {
      const line = [...ring.slice(this.#start), ...ring.slice(0, this.#start)];
      while (line.length < size) line.push(0);
      return line;
    };
    this.#lastIndexes = unrolled(this.#lastIndexes);
    this.#sizes = unrolled(this.#sizes);
    this.#start = 0;
  }
}
