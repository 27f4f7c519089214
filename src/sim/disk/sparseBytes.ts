/** Bytes of one chunk; chunks that were never written cost nothing and read as zeros. */
const chunkBytes = 4096;

/** A long array of bytes that costs memory only where something was written. Its length has no meaning: all is zero. */
export class SparseBytes {
  readonly #chunks = new Map<number, Uint8Array>();
  /** Chunks whose bytes somebody else has too: a change makes a copy first. */
  readonly #shared = new Set<number>();

  /** Memory in use, in bytes. */
  get residentBytes(): number {
    return this.#chunks.size * chunkBytes;
  }

  /** Fills `into` with the bytes from `position`. */
  read(position: number, into: Uint8Array): void {
    let done = 0;
    while (done < into.byteLength) {
      const at = position + done;
      const offset = at % chunkBytes;
      const count = Math.min(chunkBytes - offset, into.byteLength - done);
      const chunk = this.#chunks.get((at - offset) / chunkBytes);
      if (chunk === undefined) into.fill(0, done, done + count);
      else into.set(chunk.subarray(offset, offset + count), done);
      done += count;
    }
  }

  /** A copy of `count` bytes from `position`. */
  slice(position: number, count: number): Uint8Array {
    const out = new Uint8Array(count);
    this.read(position, out);
    return out;
  }

  write(position: number, bytes: Uint8Array): void {
    let done = 0;
    while (done < bytes.byteLength) {
      const at = position + done;
      const offset = at % chunkBytes;
      const count = Math.min(chunkBytes - offset, bytes.byteLength - done);
      const index = (at - offset) / chunkBytes;
      this.#own(index).set(bytes.subarray(done, done + count), offset);
      done += count;
    }
  }

  /** Takes a whole chunk over as it is, without a copy; the bytes must never change from now on. */
  adopt(position: number, bytes: Uint8Array): void {
    if (position % chunkBytes !== 0 || bytes.byteLength !== chunkBytes) {
      throw new RangeError(`expected a whole chunk of ${chunkBytes} bytes, got ${bytes.byteLength} at ${position}`);
    }
    this.#chunks.set(position / chunkBytes, bytes);
    this.#shared.add(position / chunkBytes);
  }

  /** The chunk's bytes, to be changed. */
  #own(index: number): Uint8Array {
    const known = this.#chunks.get(index);
    if (known !== undefined && !this.#shared.has(index)) return known;
    const own = known?.slice() ?? new Uint8Array(chunkBytes);
    this.#chunks.set(index, own);
    this.#shared.delete(index);
    return own;
  }

  /** Everything from `position` on becomes zero. */
  truncate(position: number): void {
    const first = Math.floor(position / chunkBytes);
    for (const index of [...this.#chunks.keys()]) {
      if (index > first || (index === first && position % chunkBytes === 0)) {
        this.#chunks.delete(index);
        this.#shared.delete(index);
      } else if (index === first) this.#own(index).fill(0, position % chunkBytes);
    }
  }
}
