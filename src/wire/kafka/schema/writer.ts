import { KafkaCodecError } from './error.ts';

/** Smaller pieces are cheaper to copy than to hand on. */
const handedOnBytesMin = 1_024;
const firstChunkBytes = 512;
const chunkBytesMax = 65_536;

/**
 * Writes Kafka's primitive types into chunks. Large byte fields are handed on as pieces of the result, not copied, so they
 * must not change until they are sent.
 */
export class Writer {
  #pieces: Uint8Array[] = [];
  #chunk: Buffer = Buffer.allocUnsafe(firstChunkBytes);
  /** Start in the chunk of what is not yet among the pieces. */
  #start = 0;
  #at = 0;
  /** Bytes in the pieces. */
  #done = 0;
  /** Name of the field that is written, for errors. */
  field = '';

  /** Bytes written so far. */
  get length(): number {
    return this.#done + this.#at - this.#start;
  }

  /** All that was written, in order. Nothing may be written after. */
  finish(): Uint8Array[] {
    this.#flush();
    return this.#pieces;
  }

  /** A writer for what must be measured before it is written; errors name the same field. */
  nested(): Writer {
    const inner = new Writer();
    inner.field = this.field;
    return inner;
  }

  error(why: string): KafkaCodecError {
    return new KafkaCodecError(why, this.field, -1);
  }

  #flush(): void {
    if (this.#at === this.#start) return;
    this.#pieces.push(this.#chunk.subarray(this.#start, this.#at));
    this.#done += this.#at - this.#start;
    this.#start = this.#at;
  }

  /** Makes room for `count` bytes in one chunk and returns where they go. */
  #room(count: number): number {
    const at = this.#at;
    if (at + count > this.#chunk.length) {
      this.#flush();
      this.#chunk = Buffer.allocUnsafeSlow(Math.max(count, Math.min(chunkBytesMax, this.#chunk.length * 2)));
      this.#start = 0;
      this.#at = count;
      return 0;
    }
    this.#at = at + count;
    return at;
  }

  bool(value: boolean): void {
    const at = this.#room(1);
    this.#chunk[at] = value ? 1 : 0;
  }

  int8(value: number): void {
    if ((value << 24) >> 24 !== value) throw this.error(`expected an 8-bit integer, got ${value}`);
    const at = this.#room(1);
    this.#chunk[at] = value;
  }

  int16(value: number): void {
    if ((value << 16) >> 16 !== value) throw this.error(`expected a 16-bit integer, got ${value}`);
    const at = this.#room(2);
    this.#chunk[at] = value >> 8;
    this.#chunk[at + 1] = value;
  }

  int32(value: number): void {
    if ((value | 0) !== value) throw this.error(`expected a 32-bit integer, got ${value}`);
    this.#word(value);
  }

  #word(value: number): void {
    const at = this.#room(4);
    const chunk = this.#chunk;
    chunk[at] = value >> 24;
    chunk[at + 1] = value >> 16;
    chunk[at + 2] = value >> 8;
    chunk[at + 3] = value;
  }

  /** A whole number; beyond 2^53 it is a rounded one, and at 2^63 the largest there is. */
  int64(value: number): void {
    if (!Number.isInteger(value) || value < -0x8000000000000000 || value > 0x8000000000000000) {
      throw this.error(`expected a 64-bit integer, got ${value}`);
    }
    if (value === 0x8000000000000000) {
      this.#word(0x7fffffff);
      this.#word(-1);
      return;
    }
    const high = Math.floor(value / 4_294_967_296);
    this.#word(high | 0);
    this.#word((value - high * 4_294_967_296) | 0);
  }

  float64(value: number): void {
    const at = this.#room(8);
    this.#chunk.writeDoubleBE(value, at);
  }

  uuid(value: Uint8Array): void {
    if (value.length !== 16) throw this.error(`expected an id of 16 bytes, got ${value.length}`);
    const at = this.#room(16);
    this.#chunk.set(value, at);
  }

  uvarint(value: number): void {
    let rest = value >>> 0;
    const at = this.#room(rest < 128 ? 1 : rest < 16_384 ? 2 : rest < 2_097_152 ? 3 : rest < 268_435_456 ? 4 : 5);
    let to = at;
    for (; rest > 127; rest >>>= 7) this.#chunk[to++] = (rest & 127) | 128;
    this.#chunk[to] = rest;
  }

  /** Text with its length before it: compact (plus one, base 128) or 16 bits. */
  string(value: string, compact: boolean): void {
    const length = Buffer.byteLength(value);
    if (compact) this.uvarint(length + 1);
    else if (length > 32_767) throw this.error(`expected at most 32,767 bytes of text, got ${length}`);
    else this.int16(length);
    const at = this.#room(length);
    this.#chunk.write(value, at, 'utf8');
  }

  /** Bytes without a length: copied when few, else handed on. */
  raw(bytes: Uint8Array): void {
    if (bytes.length < handedOnBytesMin) {
      const at = this.#room(bytes.length);
      this.#chunk.set(bytes, at);
      return;
    }
    this.#flush();
    this.#pieces.push(bytes);
    this.#done += bytes.length;
  }
}
