import type { Region } from '../../host/sharedMemory.ts';
import { bytesOf, descriptorWords, ownerOf, slotOf } from './descriptor.ts';
import { BusError } from './errors.ts';
import type { LaneHead } from './laneHead.ts';
import { type Layout, payloadBytesMax, slotHeaderWords } from './layout.ts';
import type { MessageBatch } from './messageBatch.ts';
import { Point } from './points.ts';

/** How often a claim that the router has beaten is tried again. */
const claimTries = 8;

/**
 * Receives by view: claims first, then hands out where the payloads lie in the segment. They stay as they are until the next receive or ack says
 * that they are done: nothing is evicted from such a lane, and its slots go home by `done` instead of the head.
 */
export class ViewReceiver {
  readonly #region: Region;
  readonly #words: Int32Array;
  readonly #head: LaneHead;
  readonly #ring: number;
  readonly #ringMask: number;
  readonly #layout: Layout;
  readonly #payloadMax: number;
  readonly #most: number;

  /** @param most messages that are open at a time: the smaller of the batch and the subscription's `view_max` */
  constructor(region: Region, layout: Layout, lane: number, head: LaneHead, most: number) {
    this.#region = region;
    this.#words = region.words;
    this.#head = head;
    this.#ring = layout.laneRings + lane * layout.laneRingStep;
    this.#ringMask = layout.sizes.laneRing - 1;
    this.#layout = layout;
    this.#payloadMax = payloadBytesMax(layout.sizes);
    this.#most = most;
  }

  /**
   * Opens what there is, up to `view_max`, and ends what was open. Returns how many. Throws IB_FENCED, IB_CLOSED, IB_CORRUPT.
   *
   * @param most opens no more than this
   */
  receive(into: MessageBatch, most = this.#most): number {
    this.#head.ack();
    into.useRoom(this.#words, this.#region.bytes);
    for (let tries = 0; tries < claimTries; tries += 1) {
      const count = Math.min(this.#head.look(), this.#most, most, into.capacity);
      if (count === 0) return 0;
      const head = this.#head.position;
      if (!this.#head.claim(count)) continue;
      this.#open(into, head, count);
      return count;
    }
    return 0;
  }

  #open(into: MessageBatch, head: number, count: number): void {
    const { pools, poolStep, slotWords, sizes } = this.#layout;
    this.#region.step(Point.copyOut);
    for (let index = 0; index < count; index += 1) {
      const at = this.#ring + ((head + index) & this.#ringMask) * descriptorWords;
      const word0 = this.#words[at] ?? 0;
      const word1 = this.#words[at + 1] ?? 0;
      const owner = ownerOf(word0);
      const slot = slotOf(word0);
      if (owner >= sizes.producers || slot >= sizes.slots || bytesOf(word1) > this.#payloadMax) {
        throw new BusError(
          'IB_CORRUPT',
          'the lane has a descriptor that no router writes: detach it, then look at it',
          {
            expected: `a producer below ${sizes.producers}, a slot below ${sizes.slots}, up to ${this.#payloadMax} bytes`,
            got: `producer ${owner}, slot ${slot}, ${bytesOf(word1)} bytes`,
          },
        );
      }
      const from = pools + owner * poolStep + slot * slotWords + slotHeaderWords;
      into.note(index, word0, word1, this.#words[at + 2] ?? 0, this.#words[at + 3] ?? 0, from);
    }
    into.length = count;
  }
}
