import type { Commit } from './commit.ts';
import { bytesOf, descriptorWords, ownedSlot, topicOf } from './descriptor.ts';
import type { LaneParts, Lanes } from './lanes.ts';
import { payloadBytesMax } from './layout.ts';
import type { RouterObserver } from './observer.ts';
import { Point } from './points.ts';
import type { Route } from './routes.ts';
import type { SlotCounts } from './slotCounts.ts';

/** Constants of this module: the compiler folds them, where it looks imported ones up with each use. */
const { writeLaneEntry } = Point;
const entryWords = descriptorWords;
const lengthOf = bytesOf;
const topicIn = topicOf;
const asOwned = ownedSlot;

/**
 * Messages behind each other that go the same way, into lanes that take them all: asked once for the run instead of once a message. It decides nothing
 * of its own: where one message would be refused, would have to evict, end the plan or choose a lane of a group, the run ends before it.
 */
export class Runs {
  readonly #lanes: Lanes;
  readonly #commit: Commit;
  readonly #counts: SlotCounts;
  readonly #words: Int32Array;
  readonly #region: LaneParts['region'];
  readonly #observer: RouterObserver | undefined;
  readonly #sources: number;
  readonly #sourceStep: number;
  readonly #slotMask: number;
  readonly #payloadMax: number;
  readonly #ringMask: number;
  /** Planted bugs of admission and of rooms are about single messages. */
  readonly #off: boolean;

  constructor(parts: LaneParts, lanes: Lanes) {
    const { region, layout, commit, counts, mutants, observer } = parts;
    this.#region = region;
    this.#words = region.words;
    this.#lanes = lanes;
    this.#commit = commit;
    this.#counts = counts;
    this.#observer = observer;
    this.#sources = layout.sources;
    this.#sourceStep = layout.sourceStep;
    this.#slotMask = layout.sizes.slots - 1;
    this.#payloadMax = payloadBytesMax(layout.sizes);
    this.#ringMask = layout.sizes.laneRing - 1;
    this.#off = mutants.admitWhilePlacing || mutants.creditFromOldTail || mutants.roomFromObserved;
  }

  /**
   * Places up to `most` messages of a source from `cursor` on, as long as they have the topic of the first, whose route is `route`; how many.
   * 0: the first is not plain.
   */
  place(route: Route, topic: number, producer: number, cursor: number, most: number): number {
    const { broadcast } = route;
    const { length } = broadcast;
    if (this.#off || length === 0 || route.groups.length > 0 || this.#commit.full) return 0;
    let room = most;
    for (let index = 0; index < length; index += 1) {
      const free = this.#lanes.roomFor(broadcast[index] ?? 0, producer);
      if (free < room) room = free;
    }
    if (room <= 0) return 0;
    return this.#copy(route, topic, producer, cursor, room);
  }

  #copy(route: Route, topic: number, producer: number, cursor: number, most: number): number {
    const words = this.#words;
    const counts = this.#counts;
    const region = this.#region;
    const observer = this.#observer;
    const { broadcast } = route;
    const { length } = broadcast;
    const source = this.#sources + producer * this.#sourceStep;
    const slotMask = this.#slotMask;
    const payloadMax = this.#payloadMax;
    const ringMask = this.#ringMask;
    const lanes = this.#lanes;
    const first = broadcast[0] ?? 0;
    const firstRing = lanes.entry(first, 0);
    const firstTail = lanes.tail[first] ?? 0;
    let count = 0;
    for (; count < most; count += 1) {
      const at = source + ((cursor + count) & slotMask) * entryWords;
      const slot = words[at] ?? 0;
      const word1 = words[at + 1] ?? 0;
      const word2 = words[at + 2] ?? 0;
      // What no producer writes is told where single messages are taken.
      if (slot >>> 0 > slotMask || lengthOf(word1) > payloadMax || topicIn(word2) !== topic) break;
      if (!counts.takeFresh(producer, slot, length)) break;
      const word0 = asOwned(producer, slot);
      const length1 = lengthOf(word1);
      const word3 = words[at + 3] ?? 0;
      region.step(writeLaneEntry);
      const to = firstRing + ((firstTail + count) & ringMask) * entryWords;
      words[to] = word0;
      words[to + 1] = length1;
      words[to + 2] = word2;
      words[to + 3] = word3;
      if (observer !== undefined) observer.placed(first, word0, length1, word2, word3);
      for (let index = 1; index < length; index += 1) {
        const lane = broadcast[index] ?? 0;
        const entry = lanes.entry(lane, (lanes.tail[lane] ?? 0) + count);
        region.step(writeLaneEntry);
        words[entry] = word0;
        words[entry + 1] = length1;
        words[entry + 2] = word2;
        words[entry + 3] = word3;
        if (observer !== undefined) observer.placed(lane, word0, length1, word2, word3);
      }
      if (observer !== undefined) observer.taken(producer, word3, topic, length, length);
    }
    if (count === 0) return 0;
    counts.tookFresh(producer, count);
    for (let index = 0; index < length; index += 1) lanes.placed(broadcast[index] ?? 0, producer, count);
    return count;
  }
}
