const FIRST_BYTES = 1_024;

/**
 * Bytes that arrive in pieces, kept in one buffer that doubles: what it holds costs at most twice its length. A list of the
 * pieces would cost an object each, and a sender chooses how small they are.
 */
export class Gathered {
  #bytes: Uint8Array = new Uint8Array(0);
  #length = 0;

  /** Bytes gathered so far. */
  get length(): number {
    return this.#length;
  }

  /** Copies a piece to the end. */
  append(piece: Uint8Array): void {
    const needed = this.#length + piece.length;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(FIRST_BYTES, needed, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(piece, this.#length);
    this.#length = needed;
  }

  /** Everything gathered, handed over: what comes next is gathered anew. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#length);
    this.clear();
    return taken;
  }

  /** Forgets what was gathered, and its memory. */
  clear(): void {
    this.#bytes = new Uint8Array(0);
    this.#length = 0;
  }
}
