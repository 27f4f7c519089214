import { type Commit, StagedProducer } from './commit.ts';
import { descriptorWords, ownerOf, slotOf } from './descriptor.ts';
import type { LaneParts } from './lanes.ts';
import { cursorWords, ProducerCursor } from './layout.ts';
import { Point } from './points.ts';
import { type SlotCounts, stray } from './slotCounts.ts';

/** Constants of this module: the compiler folds them, where it looks imported ones up with each use. */
const { writeReturnEntry } = Point;
const entryWords = descriptorWords;
const ownerIn = ownerOf;
const slotIn = slotOf;
const strayed = stray;

/** The way of slots back to their producers: return rings, each with a place for every slot of its producer, so there is always one. */
export class WayHome {
  readonly #region: LaneParts['region'];
  readonly #words: Int32Array;
  readonly #layout: LaneParts['layout'];
  readonly #commit: Commit;
  readonly #counts: SlotCounts;
  readonly #slotMask: number;
  readonly #laneMask: number;
  /** A planted bug: tells the producer of a slot before the commit that frees it. */
  readonly #early: boolean;

  constructor({ region, layout, commit, counts, mutants }: LaneParts) {
    this.#region = region;
    this.#words = region.words;
    this.#layout = layout;
    this.#commit = commit;
    this.#counts = counts;
    this.#slotMask = layout.sizes.slots - 1;
    this.#laneMask = layout.sizes.laneRing - 1;
    this.#early = mutants.returnBeforeSeal;
  }

  /** First entry that named a slot which no lane has, since the last look; -1 for none. */
  strayAt = -1;
  /** What it named. */
  strayWord0 = 0;

  /**
   * One lane less has the slots of its entries from `from` to `to`: those that none has any more go home with the commit under way. Slots of one
   * producer behind each other go together, so what is the producer's is looked up once a run.
   *
   * @param ring first word of the lane's ring
   * @returns up to which entry the commit had room for it
   */
  takeBack(ring: number, from: number, to: number): number {
    let cursor = from;
    while (cursor !== to && !this.#commit.full) cursor = this.#takeRun(ring, cursor, to);
    return cursor;
  }

  #takeRun(ring: number, from: number, to: number): number {
    const words = this.#words;
    const counts = this.#counts;
    const region = this.#region;
    const laneMask = this.#laneMask;
    const slotMask = this.#slotMask;
    const early = this.#early;
    const producer = ownerIn(words[ring + (from & laneMask) * entryWords] ?? 0);
    const home = this.#layout.returns + producer * this.#layout.returnStep;
    const number = this.#commit.producer(producer, StagedProducer.returnTail);
    const first = this.#commit.value(number);
    let tail = first;
    let cursor = from;
    for (; cursor !== to; cursor = (cursor + 1) | 0) {
      const word0 = words[ring + (cursor & laneMask) * entryWords] ?? 0;
      if (ownerIn(word0) !== producer) break;
      const slot = slotIn(word0);
      const lanes = counts.release(producer, slot);
      if (lanes === 0) {
        region.step(writeReturnEntry);
        words[home + (tail & slotMask)] = slot;
        tail = (tail + 1) | 0;
        if (early) this.#tell(producer, tail);
      } else if (lanes === strayed && this.strayAt < 0) {
        this.strayAt = cursor >>> 0;
        this.strayWord0 = word0;
      }
    }
    if (tail !== first) {
      counts.cameHome(producer, (tail - first) | 0);
      this.#commit.stage(number, tail);
    }
    return cursor;
  }

  /** Sends a slot home that no lane has got. */
  send(producer: number, slot: number): void {
    const number = this.#commit.producer(producer, StagedProducer.returnTail);
    const tail = this.#commit.value(number);
    this.#region.step(writeReturnEntry);
    this.#words[this.#layout.returns + producer * this.#layout.returnStep + (tail & this.#slotMask)] = slot;
    const next = (tail + 1) | 0;
    this.#commit.stage(number, next);
    if (this.#early) this.#tell(producer, next);
  }

  #tell(producer: number, tail: number): void {
    const cursors = this.#layout.producerCursors + producer * cursorWords;
    Atomics.store(this.#words, cursors + ProducerCursor.returnTail, tail);
  }
}
