/**
 * Numbers and bytes of the protocol between brokers and of what they keep, big-endian. Safe integers up to 2^48 − 1 take six bytes:
 * indexes, ids and terms never come near it.
 */

const FIRST_BYTES = 1_024;
const LEAST_BYTES = 64;
const noBytes = new Uint8Array(0);
const noView = new DataView(noBytes.buffer);
const TWO_32 = 4_294_967_296;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Bytes that came from elsewhere do not have the shape that was expected. */
export class MalformedBytes extends Error {
  override readonly name = 'MalformedBytes';
}

/** A buffer that grows by doubling. */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(firstBytes = FIRST_BYTES) {
    this.#bytes = new Uint8Array(firstBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    const at = this.#claim(1);
    this.#bytes[at] = value;
  }

  u16(value: number): void {
    const at = this.#claim(2);
    this.#view.setUint16(at, value);
  }

  i16(value: number): void {
    const at = this.#claim(2);
    this.#view.setInt16(at, value);
  }

  u32(value: number): void {
    const at = this.#claim(4);
    this.#view.setUint32(at, value);
  }

  i32(value: number): void {
    const at = this.#claim(4);
    this.#view.setInt32(at, value);
  }

  u48(value: number): void {
    const at = this.#claim(6);
    this.#view.setUint16(at, Math.floor(value / TWO_32));
    this.#view.setUint32(at + 2, value % TWO_32);
  }

  /** Any number; integers are exact up to 2^53. */
  f64(value: number): void {
    const at = this.#claim(8);
    this.#view.setFloat64(at, value);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#claim(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Length and bytes. */
  bytes(value: Uint8Array): void {
    this.u32(value.length);
    this.raw(value);
  }

  text(value: string): void {
    this.bytes(encoder.encode(value));
  }

  /** Overwrites four bytes that were written before: a length that is known only afterwards. */
  patchU32(at: number, value: number): void {
    this.#view.setUint32(at, value);
  }

  /** Overwrites two bytes that were written before. */
  patchU16(at: number, value: number): void {
    this.#view.setUint16(at, value);
  }

  /** Everything written, handed over; the writer begins anew, without memory. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#bytes = noBytes;
    this.#view = noView;
    this.#length = 0;
    return taken;
  }

  /** A copy of everything written, no larger than it; the writer keeps its memory and begins anew. */
  copyOut(): Uint8Array {
    const copied = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return copied;
  }

  /** Makes room for so many bytes more at once, where growing step by step would leave as many again to be collected. */
  reserve(count: number): void {
    const needed = this.#length + count;
    if (needed > this.#bytes.length) this.#grow(Math.max(needed, this.#length * 2, LEAST_BYTES));
  }

  #claim(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#bytes.length) this.#grow(Math.max(needed, this.#bytes.length * 2, LEAST_BYTES));
    this.#length = needed;
    return at;
  }

  #grow(capacity: number): void {
    const larger = new Uint8Array(capacity);
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

/** Reads what a `ByteWriter` wrote. Every method throws `MalformedBytes` at the end of the bytes. */
export class ByteReader {
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

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2));
  }

  i16(): number {
    return this.#view.getInt16(this.#advance(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4));
  }

  i32(): number {
    return this.#view.getInt32(this.#advance(4));
  }

  u48(): number {
    const at = this.#advance(6);
    return this.#view.getUint16(at) * TWO_32 + this.#view.getUint32(at + 2);
  }

  f64(): number {
    return this.#view.getFloat64(this.#advance(8));
  }

  /** A view of the next `count` bytes. */
  raw(count: number): Uint8Array {
    const at = this.#advance(count);
    return this.#bytes.subarray(at, at + count);
  }

  bytes(): Uint8Array {
    return this.raw(this.u32());
  }

  text(): string {
    try {
      return decoder.decode(this.bytes());
    } catch (error) {
      if (error instanceof MalformedBytes) throw error;
      throw new MalformedBytes('expected UTF-8');
    }
  }

  /** Things of at least `bytesEach` behind their count: one that cannot fit is refused before memory is taken for it. */
  list<T>(bytesEach: number, read: () => T): T[] {
    const count = this.u32();
    if (count * bytesEach > this.left) throw new MalformedBytes(`expected ${count} items, ${this.left} bytes are left`);
    return Array.from({ length: count }, read);
  }

  /** Nothing may be left. */
  end(): void {
    if (this.left > 0) throw new MalformedBytes(`${this.left} bytes are left over`);
  }

  #advance(count: number): number {
    const at = this.#at;
    if (at + count > this.#bytes.length) {
      throw new MalformedBytes(`expected ${count} bytes at ${at} of ${this.#bytes.length}`);
    }
    this.#at = at + count;
    return at;
  }
}
