import { KafkaCodecError } from './error.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Up to here a loop over the characters beats a call into the decoder. */
const shortTextBytes = 24;

/**
 * Reads Kafka's primitive types from a frame. Every length is checked against the bytes that are left before anything is
 * made, and the number of list elements over the whole message is bounded: an element costs more memory than wire.
 */
export class Reader {
  readonly bytes: Uint8Array;
  /** Position of the next byte. */
  at: number;
  /** Where the message (or the tagged field that is read) ends. */
  end: number;
  /** Name of the field that is read, for errors. */
  field = '';
  #elementsLeft: number;

  constructor(bytes: Uint8Array, elementsMax: number) {
    this.bytes = bytes;
    this.at = 0;
    this.end = bytes.length;
    this.#elementsLeft = elementsMax;
  }

  /** The error to throw for what lies at the current byte. */
  error(why: string): KafkaCodecError {
    return new KafkaCodecError(why, this.field, this.at);
  }

  /** Claims `count` bytes and returns where they begin. */
  #claim(count: number): number {
    const from = this.at;
    if (count > this.end - from) throw this.error(`expected ${count} more bytes, ${this.end - from} are left`);
    this.at = from + count;
    return from;
  }

  /** The byte at a position that was claimed. */
  #byte(at: number): number {
    return this.bytes[at] as number; // callers claimed it: inside `bytes`
  }

  bool(): boolean {
    return this.#byte(this.#claim(1)) !== 0;
  }

  int8(): number {
    return (this.#byte(this.#claim(1)) << 24) >> 24;
  }

  int16(): number {
    const from = this.#claim(2);
    return ((this.#byte(from) << 24) | (this.#byte(from + 1) << 16)) >> 16;
  }

  int32(): number {
    const from = this.#claim(4);
    return (this.#byte(from) << 24) | (this.#byte(from + 1) << 16) | (this.#byte(from + 2) << 8) | this.#byte(from + 3);
  }

  /** Exact up to 2^53, rounded beyond. */
  int64(): number {
    const high = this.int32();
    return high * 4_294_967_296 + (this.int32() >>> 0);
  }

  float64(): number {
    const from = this.#claim(8);
    return new DataView(this.bytes.buffer, this.bytes.byteOffset + from, 8).getFloat64(0);
  }

  uuid(): Uint8Array {
    return this.view(16);
  }

  /** Unsigned base-128 number of at most 32 bits. */
  uvarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte(this.#claim(1));
      if (shift === 28 && byte > 15) break;
      value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
    }
    throw this.error('expected a number of at most 32 bits, got a longer one');
  }

  /** The next `count` bytes, not copied. */
  view(count: number): Uint8Array {
    const from = this.#claim(count);
    return this.bytes.subarray(from, from + count);
  }

  /** The next `count` bytes as text; they must be UTF-8. */
  text(count: number): string {
    const from = this.#claim(count);
    if (count <= shortTextBytes) {
      const short = this.#ascii(from, from + count);
      if (short !== undefined) return short;
    }
    try {
      return utf8.decode(this.bytes.subarray(from, from + count));
    } catch {
      this.at = from;
      throw this.error('expected text in UTF-8, got other bytes');
    }
  }

  /** The text, if all of it is ASCII. */
  #ascii(from: number, to: number): string | undefined {
    let text = '';
    for (let at = from; at < to; at++) {
      const byte = this.#byte(at);
      if (byte > 127) return undefined;
      text += String.fromCharCode(byte);
    }
    return text;
  }

  /** Checks a claimed number of elements before a list is made for them. */
  elements(count: number, bytesEach: number): void {
    const left = this.end - this.at;
    if (count * bytesEach > left) throw this.error(`${count} elements cannot lie in the ${left} bytes that are left`);
    this.#elementsLeft -= count;
    if (this.#elementsLeft < 0) throw this.error('more list elements than one message may have');
  }
}
