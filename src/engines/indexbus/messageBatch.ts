import { bytesOf, keyHashOf, ownerOf, redeliveredFlag, requeuedFlag, topicOf } from './descriptor.ts';

/**
 * Received messages, in room that is used again and again: descriptors as numbers, payloads behind each other in `words`. Its getters make no
 * objects, `bytes` excepted.
 */
export class MessageBatch {
  /** Messages in it. */
  length = 0;
  /** Payloads, each from a word of its own. */
  readonly words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #descriptors: Int32Array;
  readonly #offsets: Int32Array;

  /**
   * @param messages most messages of one batch
   * @param payloadBytes room for all their payloads
   */
  constructor(messages: number, payloadBytes: number) {
    this.words = new Int32Array(Math.ceil(payloadBytes / 4));
    this.#bytes = new Uint8Array(this.words.buffer);
    this.#descriptors = new Int32Array(messages * 4);
    this.#offsets = new Int32Array(messages + 1);
  }

  /** Most messages. */
  get capacity(): number {
    return this.#offsets.length - 1;
  }

  /** Topic's number of message `index`. */
  topic(index: number): number {
    return topicOf(this.#descriptors[index * 4 + 2] ?? 0);
  }

  /** Sixteen-bit hash of its key. */
  key(index: number): number {
    return keyHashOf(this.#descriptors[index * 4 + 2] ?? 0);
  }

  /** Seat of its producer. */
  producer(index: number): number {
    return ownerOf(this.#descriptors[index * 4] ?? 0);
  }

  /** Number that its producer gave it, from 0, wrapping at 2^32. */
  sequence(index: number): number {
    return (this.#descriptors[index * 4 + 3] ?? 0) >>> 0;
  }

  /** First word of its payload in `words`. */
  wordOffset(index: number): number {
    return this.#offsets[index] ?? 0;
  }

  /** Length of its payload. */
  byteLength(index: number): number {
    return bytesOf(this.#descriptors[index * 4 + 1] ?? 0);
  }

  /** Its payload; valid until the batch is filled again. */
  bytes(index: number): Uint8Array {
    const from = this.wordOffset(index) * 4;
    return this.#bytes.subarray(from, from + this.byteLength(index));
  }

  /** Whether it was in another lane before, whose consumer had not taken it. */
  requeued(index: number): boolean {
    return ((this.#descriptors[index * 4 + 1] ?? 0) & requeuedFlag) !== 0;
  }

  /** Whether a consumer that died had taken it already. */
  redelivered(index: number): boolean {
    return ((this.#descriptors[index * 4 + 1] ?? 0) & redeliveredFlag) !== 0;
  }

  /** For receivers: first word of the room for the next payload. */
  roomAt(index: number): number {
    return this.#offsets[index] ?? 0;
  }

  /** For receivers: notes a message whose payload ends before `nextWord`. */
  note(index: number, word0: number, word1: number, word2: number, word3: number, nextWord: number): void {
    const at = index * 4;
    this.#descriptors[at] = word0;
    this.#descriptors[at + 1] = word1;
    this.#descriptors[at + 2] = word2;
    this.#descriptors[at + 3] = word3;
    this.#offsets[index + 1] = nextWord;
  }
}
