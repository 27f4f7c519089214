import { StagedLane } from './commit.ts';
import { advanced, distance } from './cursor.ts';
import { bytesOf, descriptorMaxBytes, ownedSlot, ownerOf, slotOf } from './descriptor.ts';
import { LaneLife } from './laneTable.ts';
import { payloadBytesMax } from './layout.ts';
import type { RouterParts } from './routerParts.ts';

type Parts = Pick<RouterParts, 'region' | 'layout' | 'lanes' | 'counts' | 'commit'>;

/**
 * Entries of lanes that no router can have written: somebody has written where he must not. What such a one was is nobody's to have any more; its slot is
 * known by the router's own book, as one that lanes have and no entry names.
 */
export class DamagedEntries {
  readonly #parts: Parts;
  readonly #words: Int32Array;
  readonly #payloadMax: number;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#words = parts.region.words;
    this.#payloadMax = payloadBytesMax(parts.layout.sizes);
  }

  /** Whether the entry, which the lane has, is damaged. */
  has(lane: number, cursor: number): boolean {
    const at = this.#parts.lanes.entry(lane, cursor);
    return this.#isStray(this.#words[at] ?? 0) || bytesOf(this.#words[at + 1] ?? 0) > this.#payloadMax;
  }

  /** Whether an entry names a slot that no lane has. */
  #isStray(word0: number): boolean {
    const { counts, layout } = this.#parts;
    const { producers, slots } = layout.sizes;
    const [owner, slot] = [ownerOf(word0), slotOf(word0)];
    return owner >= producers || slot >= slots || counts.lanesOf(owner, slot) === 0;
  }

  /**
   * Gives the damaged entries of a lane that are to be given back, from `from` on, slots that are missing, so that these go home with them; they stay damaged for
   * whoever recovers, by their length. Nothing happens where a missing slot may be another entry's: a consumer may be reading it.
   */
  giveSlots(lane: number, from: number): void {
    const tail = this.#parts.lanes.tail[lane] ?? 0;
    const strays: number[] = [];
    for (let cursor = from; cursor !== tail; cursor = advanced(cursor, 1)) {
      const at = this.#parts.lanes.entry(lane, cursor);
      if (this.#isStray(this.#words[at] ?? 0)) strays.push(at);
    }
    if (strays.length === 0) return;
    const missing = this.#missing();
    if (missing.length !== strays.length) return;
    strays.forEach((at, index) => {
      this.#words[at] = missing[index] ?? 0;
      this.#words[at + 1] = descriptorMaxBytes;
    });
  }

  /** Slots, with their producers, of which the book has more than entries name: each as often. */
  #missing(): readonly number[] {
    const { lanes, counts, layout } = this.#parts;
    const { producers, slots } = layout.sizes;
    const named = new Uint8Array(producers * slots);
    for (let lane = 0; lane < lanes.count; lane += 1) {
      if (lanes.life[lane] !== LaneLife.none) this.#countNamed(lane, named);
    }
    const missing: number[] = [];
    for (let producer = 0; producer < producers; producer += 1) {
      for (let slot = 0; slot < slots; slot += 1) {
        const more = counts.lanesOf(producer, slot) - (named[producer * slots + slot] ?? 0);
        for (let times = 0; times < more; times += 1) missing.push(ownedSlot(producer, slot));
      }
    }
    return missing;
  }

  /** Counts what the entries of a lane name, as far as the book has it; what is staged stands in both. */
  #countNamed(lane: number, named: Uint8Array): void {
    const { lanes, layout, commit } = this.#parts;
    const tail = lanes.tail[lane] ?? 0;
    const reclaimed = commit.value(commit.lane(lane, StagedLane.reclaimed));
    if (distance(tail, reclaimed) > layout.sizes.laneRing) return;
    for (let cursor = reclaimed; cursor !== tail; cursor = advanced(cursor, 1)) {
      const word0 = this.#words[lanes.entry(lane, cursor)] ?? 0;
      if (this.#isStray(word0)) continue;
      const at = ownerOf(word0) * layout.sizes.slots + slotOf(word0);
      named[at] = (named[at] ?? 0) + 1;
    }
  }
}
