import { type BatchHeader, batchCrc, batchHeaderBytes } from '../../../wire/kafka/recordBatch.ts';
import { bytesOf, lastOffsetOf, plausibleHeader } from './batchView.ts';
import type { Epochs } from './epochs.ts';

/** A batch longer than this is no batch: a length field that rotted would ask for memory without end. */
const batchBytesMax = 256 * 1024 * 1024;

/** A run of batches is not what a log holds there. */
export class BadRun extends Error {
  override readonly name = 'BadRun';
}

/**
 * Takes the bytes of a segment as they come, in pieces of any length, and gives back whole batches that are signed, follow one
 * another, and have the leader epoch that the log's fold has there: no CRC covers that field. What is not a batch throws `BadRun`.
 */
export class VerifiedRun {
  /** Offset that the next batch must have. */
  next: number;
  /** Largest time of the batches so far, or more; -1 before one. */
  maxTimestamp: number;
  readonly #epochs: Epochs | undefined;
  #rest: Uint8Array = new Uint8Array(0);

  /** `epochs` undefined: what the log's are is not known here, whoever takes the batches over has to compare them. */
  constructor(next: number, epochs: Epochs | undefined, maxTimestamp = -1) {
    this.next = next;
    this.#epochs = epochs;
    this.maxTimestamp = maxTimestamp;
  }

  /** Bytes that wait for the rest of their batch. */
  get pending(): number {
    return this.#rest.length;
  }

  /** Calls `visit` with each whole batch and gives the bytes of all of them: the pieces to write. */
  take(
    bytes: Uint8Array,
    visit: (batch: Uint8Array, header: BatchHeader, maxTimestampBefore: number) => void,
  ): Uint8Array {
    const all = this.#rest.length === 0 ? bytes : joined(this.#rest, bytes);
    let at = 0;
    while (at + batchHeaderBytes <= all.length) {
      const header = plausibleHeader(all, at);
      if (header === undefined || bytesOf(header) > batchBytesMax) throw new BadRun(`no batch at offset ${this.next}`);
      if (header.baseOffset !== this.next) throw new BadRun(`expected offset ${this.next}, got ${header.baseOffset}`);
      const wrong = this.#epochs?.mismatch(header);
      if (wrong !== undefined) throw new BadRun(wrong);
      const end = at + bytesOf(header);
      if (end > all.length) break;
      const batch = all.subarray(at, end);
      if (batchCrc(batch) !== header.crc)
        throw new BadRun(`the CRC of the batch at offset ${this.next} does not match`);
      visit(batch, header, this.maxTimestamp);
      this.maxTimestamp = Math.max(this.maxTimestamp, header.maxTimestamp);
      this.next = lastOffsetOf(header) + 1;
      at = end;
    }
    this.#rest = all.subarray(at);
    return all.subarray(0, at);
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
