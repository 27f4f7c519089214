/** Bytes of one chunk; chunks that were never written cost nothing and read as zeros. */
const chunkBytes = 4096;

/** A long array of bytes that costs memory only where something was written. Its length has no meaning: all is zero. */
export class SparseBytes {
  readonly #chunks = new Map<number, Uint8Array>();

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
      let chunk = this.#chunks.get(index);
      if (chunk === undefined) {
        chunk = new Uint8Array(chunkBytes);
        this.#chunks.set(index, chunk);
      }
      chunk.set(bytes.subarray(done, done + count), offset);
      done += count;
    }
  }

  /** Everything from `position` on becomes zero. */
  truncate(position: number): void {
    const first = Math.floor(position / chunkBytes);
    for (const [index, chunk] of this.#chunks) {
      if (index > first || (index === first && position % chunkBytes === 0)) this.#chunks.delete(index);
      else if (index === first) chunk.fill(0, position % chunkBytes);
    }
  }
}
