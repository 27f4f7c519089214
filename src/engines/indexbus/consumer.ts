import type { Region } from '../../host/sharedMemory.ts';
import { copyPairs, copyWords, pairsOf } from './copyWords.ts';
import { bytesOf, descriptorWords, ownerOf, slotOf } from './descriptor.ts';
import { BusError } from './errors.ts';
import type { LaneHead } from './laneHead.ts';
import { type Layout, payloadBytesMax, Slot, slotHeaderWords } from './layout.ts';
import type { MessageBatch } from './messageBatch.ts';
import type { IndexbusMutantFlags } from './mutants.ts';
import { payloadCheck } from './payloadCheck.ts';
import { Point } from './points.ts';

/** Bugs that can be planted here. */
export type ReceiverMutants = Pick<IndexbusMutantFlags, 'receiveBeforeClaim'>;

/** Constants of this module: the compiler folds them, where it looks imported ones up with each use. */
const { copyOut: copyOutPoint } = Point;
const { check: checkWord } = Slot;
const headerWords = slotHeaderWords;
const entryWords = descriptorWords;
const lengthOf = bytesOf;
const ownerIn = ownerOf;
const slotIn = slotOf;
const copyRun = copyPairs;
const copySingle = copyWords;

/** Messages from which on they are gathered, where the region can: the call costs as much as ten of them would in a loop, and then a third of it for each. */
const gatherLeast = 16;
const runWords = 3;

/** How often a claim that the router has beaten is tried again. */
const claimTries = 8;

/**
 * Receives by copy: copies descriptors and payloads out first and claims them then. While it copies, an eviction may free the very entries and their
 * slots may be written anew; such a copy fails its claim and is thrown away. Until the claim nothing of it is believed: lengths and slots
 * are checked before they are followed, and a descriptor that makes no sense counts as damage only if the head has not moved meanwhile.
 *
 * Descriptors and payloads are read by plain loads, after an atomic load of the tail and before the compare-and-swap of the head: both are
 * sequentially consistent, and JavaScript's memory model moves no access of one thread across them.
 */
export class Receiver {
  readonly #region: Region;
  readonly #words: Int32Array;
  readonly #pairs: BigInt64Array;
  readonly #head: LaneHead;
  readonly #ring: number;
  readonly #ringMask: number;
  readonly #pools: number;
  readonly #poolStep: number;
  readonly #slotWords: number;
  readonly #producers: number;
  readonly #slots: number;
  readonly #payloadMax: number;
  readonly #batch: number;
  readonly #mutants: ReceiverMutants;
  /** Where payloads are and where they go, three words a run. */
  readonly #runs: Int32Array;
  /** Check words of a batch, where they are compared. */
  readonly #checks: Int32Array | undefined;

  /** @param checked compares the check word of each payload whose producer wrote one */
  constructor(
    region: Region,
    layout: Layout,
    lane: number,
    head: LaneHead,
    batch: number,
    checked: boolean,
    mutants: ReceiverMutants,
  ) {
    this.#region = region;
    this.#words = region.words;
    this.#pairs = pairsOf(region.words);
    this.#head = head;
    this.#ring = layout.laneRings + lane * layout.laneRingStep;
    this.#ringMask = layout.sizes.laneRing - 1;
    this.#pools = layout.pools;
    this.#poolStep = layout.poolStep;
    this.#slotWords = layout.slotWords;
    this.#producers = layout.sizes.producers;
    this.#slots = layout.sizes.slots;
    this.#payloadMax = payloadBytesMax(layout.sizes);
    this.#batch = batch;
    this.#mutants = mutants;
    this.#runs = new Int32Array(batch * runWords);
    this.#checks = checked ? new Int32Array(batch) : undefined;
  }

  /**
   * Takes what there is, up to a batch, into `into`, and ends what was received before. Returns how many. Throws IB_FENCED, IB_CLOSED;
   * IB_BATCH_TOO_SMALL if not even the first message fits, which stays in the lane; IB_CORRUPT for damage.
   *
   * @param most takes no more than this; default the batch
   */
  receive(into: MessageBatch, most = this.#batch): number {
    this.#head.ack();
    into.useOwnRoom();
    for (let tries = 0; tries < claimTries; tries += 1) {
      const count = Math.min(this.#head.look(), this.#batch, most, into.capacity);
      if (count === 0) return 0;
      const copied = this.#copy(into, this.#head.position, count);
      if (copied > 0 && (this.#head.claim(copied) || this.#mutants.receiveBeforeClaim)) {
        into.length = copied;
        if (this.#checks !== undefined) this.#compare(into, this.#checks);
        return copied;
      }
    }
    return 0;
  }

  /**
   * Copies up to `count` messages; fewer where the batch has no more room, 0 if the first was written over while it was read. Descriptors first, and the
   * payloads that the copies of them name: nobody writes over those.
   */
  #copy(into: MessageBatch, head: number, count: number): number {
    const gathers = count >= gatherLeast && this.#region.gather !== undefined;
    this.#region.step(copyOutPoint);
    if (gathers) this.#gatherDescriptors(into.descriptors, head, count);
    else this.#copyDescriptors(into.descriptorPairs, head, count);
    const found = this.#findPayloads(into, count);
    if (gathers) this.#region.gather?.(this.#runs, found, into.words);
    else this.#copyPayloads(into, found);
    if (this.#checks !== undefined) this.#readChecks(this.#checks, found);
    return found;
  }

  /** Notes where the payloads of descriptors are and where they go; how many there are before one that makes no sense, or has no room. */
  #findPayloads({ words, descriptors, offsets }: MessageBatch, count: number): number {
    const runs = this.#runs;
    const producers = this.#producers;
    const slots = this.#slots;
    const payloadMax = this.#payloadMax;
    const pools = this.#pools + headerWords;
    const poolStep = this.#poolStep;
    const slotWords = this.#slotWords;
    let room = 0;
    for (let index = 0; index < count; index += 1) {
      const word0 = descriptors[index * entryWords] ?? 0;
      const word1 = descriptors[index * entryWords + 1] ?? 0;
      const byteLength = lengthOf(word1);
      const payloadWords = (byteLength + 3) >> 2;
      const owner = ownerIn(word0);
      const slot = slotIn(word0);
      if (owner >= producers || slot >= slots || byteLength > payloadMax) {
        if (index === 0) this.#damaged(word0, word1);
        return index;
      }
      if (room + payloadWords > words.length) {
        if (index === 0) this.#tooSmall(byteLength, words.byteLength);
        return index;
      }
      const run = index * runWords;
      runs[run] = pools + owner * poolStep + slot * slotWords;
      runs[run + 1] = room;
      runs[run + 2] = payloadWords;
      offsets[index] = room;
      room += payloadWords;
    }
    return count;
  }

  #copyDescriptors(into: BigInt64Array, head: number, count: number): void {
    const pairs = this.#pairs;
    const ring = this.#ring;
    const ringMask = this.#ringMask;
    for (let index = 0; index < count; index += 1) {
      const at = (ring + ((head + index) & ringMask) * entryWords) >> 1;
      into[2 * index] = pairs[at] ?? 0n;
      into[2 * index + 1] = pairs[at + 1] ?? 0n;
    }
  }

  #copyPayloads({ words: target, ownPairs }: MessageBatch, count: number): void {
    const words = this.#words;
    const pairs = this.#pairs;
    const runs = this.#runs;
    for (let index = 0; index < count; index += 1) {
      const from = runs[index * runWords] ?? 0;
      const to = runs[index * runWords + 1] ?? 0;
      const length = runs[index * runWords + 2] ?? 0;
      // Payloads in slots begin at a multiple of 16 bytes.
      if ((to & 1) === 0) {
        copyRun(pairs, from >> 1, ownPairs, to >> 1, length >> 1);
        if ((length & 1) === 1) target[to + length - 1] = words[from + length - 1] ?? 0;
      } else copySingle(words, from, target, to, length);
    }
  }

  /** They stand behind each other, but for the end of the ring. */
  #gatherDescriptors(into: Int32Array, head: number, count: number): void {
    const runs = this.#runs;
    const first = head & this.#ringMask;
    const upToEnd = Math.min(count, this.#ringMask + 1 - first);
    runs[0] = this.#ring + first * entryWords;
    runs[1] = 0;
    runs[2] = upToEnd * entryWords;
    runs[3] = this.#ring;
    runs[4] = upToEnd * entryWords;
    runs[5] = (count - upToEnd) * entryWords;
    this.#region.gather?.(runs, 2, into);
  }

  #readChecks(checks: Int32Array, count: number): void {
    for (let index = 0; index < count; index += 1) {
      checks[index] = this.#words[(this.#runs[index * runWords] ?? 0) - headerWords + checkWord] ?? 0;
    }
  }

  #damaged(word0: number, word1: number): void {
    if (!this.#head.isStill()) return;
    throw new BusError(
      'IB_CORRUPT',
      'the lane has a descriptor that no router writes: detach the lane, then look at it',
      {
        expected: `a producer below ${this.#producers}, a slot below ${this.#slots}, up to ${this.#payloadMax} bytes`,
        got: `producer ${ownerIn(word0)}, slot ${slotIn(word0)}, ${lengthOf(word1)} bytes`,
      },
    );
  }

  #tooSmall(byteLength: number, room: number): void {
    if (!this.#head.isStill()) return;
    throw new BusError('IB_BATCH_TOO_SMALL', 'not even one message fits: receive into a batch with more room', {
      expected: `${byteLength} bytes`,
      got: `${room} bytes`,
    });
  }

  #compare(into: MessageBatch, checks: Int32Array): void {
    for (let index = 0; index < into.length; index += 1) {
      const expected = checks[index] ?? 0;
      if (expected === 0) continue;
      const got = payloadCheck(into.words, into.wordOffset(index), into.byteLength(index));
      if (got === expected) continue;
      const which = `message ${into.sequence(index)} of producer ${into.producer(index)}`;
      throw new BusError('IB_CORRUPT', `${which} is not what its producer wrote`, {
        expected: String(expected),
        got: String(got),
      });
    }
  }
}
