import { badArgument, shown, whole } from './badArgument.ts';
import { pairsOf } from './copyWords.ts';
import { bytesOf, keyHashOf, ownerOf, redeliveredFlag, requeuedFlag, topicOf } from './descriptor.ts';
import type { BusError } from './errors.ts';
import { seatsMax } from './layout.ts';

/** A topic's number in its segment has 16 bits. */
export const topicsPerSegment = 1 << 16;

/**
 * Received messages, in room that is used again and again: descriptors as numbers, payloads in `words`, behind each other where they were copied,
 * in the segment itself where they are viewed. Its getters make no objects, `bytes` excepted, and throw IB_BAD_CONFIG for a message that it has not: what
 * an earlier receive left there would be taken for one.
 */
export class MessageBatch {
  /** Messages in it. */
  length = 0;
  /** Payloads, each from a word of its own. Look it up after each receive: it is the segment's where messages are viewed. */
  words: Int32Array;
  /** For receivers that copy: the batch's own room, as pairs of words. */
  readonly ownPairs: BigInt64Array;
  /** Most messages. */
  readonly capacity: number;
  #bytes: Uint8Array;
  readonly #ownWords: Int32Array;
  readonly #ownBytes: Uint8Array;
  /** For receivers that copy: descriptors, four words a message. */
  readonly descriptors: Int32Array;
  /** The same, two pairs a message. */
  readonly descriptorPairs: BigInt64Array;
  /** For receivers: where in `words` each payload begins. */
  readonly offsets: Int32Array;
  /** Added to topics and producers: where the bus has several segments, says which. */
  #segment = 0;

  /**
   * @param messages most messages of one batch
   * @param payloadBytes room for all their payloads, each rounded up to 4 bytes; 0 where messages are viewed
   * @throws BusError IB_BAD_CONFIG for what are no such numbers
   */
  constructor(messages: number, payloadBytes: number) {
    whole('messages of a batch', messages, 1);
    whole('payloadBytes of a batch', payloadBytes, 0);
    this.#ownWords = new Int32Array(Math.ceil(payloadBytes / 4));
    this.#ownBytes = new Uint8Array(this.#ownWords.buffer);
    this.words = this.#ownWords;
    this.#bytes = this.#ownBytes;
    this.ownPairs = pairsOf(this.#ownWords);
    this.capacity = messages;
    this.descriptors = new Int32Array(messages * 4);
    this.descriptorPairs = pairsOf(this.descriptors);
    this.offsets = new Int32Array(messages);
  }

  /** Topic of message `index`, as `Bus.topic` told it. */
  topic(index: number): number {
    if (index >>> 0 !== index || index >= this.length) throw noMessage(index, this.length);
    return this.#segment * topicsPerSegment + topicOf(this.descriptors[index * 4 + 2] ?? 0);
  }

  /** Sixteen-bit hash of its key. */
  key(index: number): number {
    if (index >>> 0 !== index || index >= this.length) throw noMessage(index, this.length);
    return keyHashOf(this.descriptors[index * 4 + 2] ?? 0);
  }

  /** Number of its producer: its seat, and 64 more for each segment before. */
  producer(index: number): number {
    if (index >>> 0 !== index || index >= this.length) throw noMessage(index, this.length);
    return this.#segment * seatsMax + ownerOf(this.descriptors[index * 4] ?? 0);
  }

  /** Number that its producer gave it, from 0, wrapping at 2^32. */
  sequence(index: number): number {
    if (index >>> 0 !== index || index >= this.length) throw noMessage(index, this.length);
    return (this.descriptors[index * 4 + 3] ?? 0) >>> 0;
  }

  /** First word of its payload in `words`. */
  wordOffset(index: number): number {
    if (index >>> 0 !== index || index >= this.length) throw noMessage(index, this.length);
    return this.offsets[index] ?? 0;
  }

  /** Length of its payload. */
  byteLength(index: number): number {
    if (index >>> 0 !== index || index >= this.length) throw noMessage(index, this.length);
    return bytesOf(this.descriptors[index * 4 + 1] ?? 0);
  }

  /** Its payload; valid until the batch is filled again, a viewed one until the next receive or ack. */
  bytes(index: number): Uint8Array {
    const from = this.wordOffset(index) * 4;
    return this.#bytes.subarray(from, from + this.byteLength(index));
  }

  /** Whether it was in another lane before, whose consumer had not taken it. */
  requeued(index: number): boolean {
    if (index >>> 0 !== index || index >= this.length) throw noMessage(index, this.length);
    return ((this.descriptors[index * 4 + 1] ?? 0) & requeuedFlag) !== 0;
  }

  /** Whether a consumer that died had taken it already. */
  redelivered(index: number): boolean {
    if (index >>> 0 !== index || index >= this.length) throw noMessage(index, this.length);
    return ((this.descriptors[index * 4 + 1] ?? 0) & redeliveredFlag) !== 0;
  }

  /** For receivers: payloads go into the batch's own room. */
  useOwnRoom(): void {
    this.length = 0;
    this.words = this.#ownWords;
    this.#bytes = this.#ownBytes;
  }

  /** For receivers: payloads lie in a segment. */
  useRoom(words: Int32Array, bytes: Uint8Array): void {
    this.length = 0;
    this.words = words;
    this.#bytes = bytes;
  }

  /** For receivers: which segment of a bus the messages come from. */
  comeFrom(segment: number): void {
    this.#segment = segment;
  }

  /** For receivers: notes a message whose payload begins at `word` of `words`. */
  note(index: number, word0: number, word1: number, word2: number, word3: number, word: number): void {
    const at = index * 4;
    this.descriptors[at] = word0;
    this.descriptors[at + 1] = word1;
    this.descriptors[at + 2] = word2;
    this.descriptors[at + 3] = word3;
    this.offsets[index] = word;
  }
}

function noMessage(index: number, length: number): BusError {
  return badArgument('message of a batch', `a whole number below ${length}, its length`, shown(index));
}
