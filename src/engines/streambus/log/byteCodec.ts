/** Writes numbers and bytes one after the other, big-endian, into memory that grows. */
export class ByteSink {
  #bytes: Uint8Array;
  #view: DataView;
  #at = 0;

  constructor(capacity = 1024) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  #room(count: number): number {
    const at = this.#at;
    this.#at += count;
    if (this.#at > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#at, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }

  u8(value: number): void {
    const at = this.#room(1);
    this.#view.setUint8(at, value);
  }

  i16(value: number): void {
    const at = this.#room(2);
    this.#view.setInt16(at, value);
  }

  i32(value: number): void {
    const at = this.#room(4);
    this.#view.setInt32(at, value);
  }

  u32(value: number): void {
    const at = this.#room(4);
    this.#view.setUint32(at, value);
  }

  /** Any number; integers are exact up to 2^53. */
  f64(value: number): void {
    const at = this.#room(8);
    this.#view.setFloat64(at, value);
  }

  /** Behind its length of 32 bits. */
  sized(bytes: Uint8Array): void {
    this.u32(bytes.length);
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }
}

/** Reads what `ByteSink` wrote. Throws `RangeError` past the end. */
export class ByteSource {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.left) throw new RangeError(`expected ${count} bytes more, ${this.left} are left`);
    this.#at += count;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  i16(): number {
    return this.#view.getInt16(this.#take(2));
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  f64(): number {
    return this.#view.getFloat64(this.#take(8));
  }

  sized(): Uint8Array {
    const length = this.u32();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** `count` things of at least `bytesEach`: a count that cannot fit is refused before memory is taken for it. */
  list<T>(bytesEach: number, read: () => T): T[] {
    const count = this.u32();
    if (count * bytesEach > this.left) throw new RangeError(`expected ${count} items, ${this.left} bytes are left`);
    return Array.from({ length: count }, read);
  }
}
