import type { SizesBody } from './config.ts';
import { BusError } from './errors.ts';
import { Header, layoutOf, type SegmentSizes, SegmentState, subscriptionsMax, topicNameBytes } from './layout.ts';
import { Point } from './points.ts';
import { createSegment, type Segment, type SegmentPlace } from './segment.ts';
import { checkSubscription, placeSubscription, readSubscription, type StoredSubscription } from './subscriptions.ts';
import { readTopics } from './topics.ts';

/**
 * Sizes of the next generation: those of this one with what is asked for. Throws IB_BAD_CONFIG for what cannot be routed, IB_NEEDS_ROLL where a subscription
 * does not fit.
 */
export function successorSizes(former: Segment, body: SizesBody, batchSize: number): SegmentSizes {
  const given = former.layout.sizes;
  const sizes: SegmentSizes = {
    producers: body.producers_max ?? given.producers,
    lanes: body.lanes_max ?? given.lanes,
    slots: body.slots_per_producer ?? given.slots,
    laneRing: body.lane_ring ?? given.laneRing,
    slotBytes: body.slot_bytes ?? given.slotBytes,
    topics: body.topics_max ?? given.topics,
  };
  if (sizes.slots <= 2 * batchSize) {
    throw new BusError('IB_BAD_CONFIG', `slots_per_producer: expected more than two batches, got ${sizes.slots}`);
  }
  const topics = readTopics(former.region, former.layout).size;
  if (sizes.topics < topics)
    throw new BusError('IB_BAD_CONFIG', `topics_max: there are ${topics}, got ${sizes.topics}`);
  const layout = layoutOf(sizes);
  for (const { subscription } of subscriptionsOf(former)) checkSubscription(layout, subscription);
  return sizes;
}

/**
 * Builds a segment's next generation under its name, with the same topics and subscriptions under the same numbers. It takes seats and messages at
 * once, and routes nothing before `openForAll`. The caller runs a router in it, then `seeThrough`, and
 * calls `removeFormer` when the roll is done: until then a router that takes over finds both generations and goes on.
 *
 * Rejects with IB_NEEDS_ROLL, IB_BAD_CONFIG or IB_TOPICS_FULL where the new sizes have no room for what is there: nothing has changed then.
 */
export async function buildSuccessor(place: SegmentPlace, old: Segment, sizes: SegmentSizes): Promise<Segment> {
  if (sizes.topics < old.layout.sizes.topics && nameOf(old, sizes.topics) !== 0) {
    throw new BusError('IB_TOPICS_FULL', `topics_max ${sizes.topics} is less than there are topics`);
  }
  const fill = (next: Segment): void => {
    copyTopics(old, next);
    copySubscriptions(old, next);
    Atomics.store(next.words, Header.state, SegmentState.waiting);
  };
  return await createSegment(place, sizes, old.generation + 1, fill, true);
}

/** The old generation is empty of messages that are not in lanes, and its producers have left: consumers go when they have taken everything. */
export function retireFor(old: Segment, next: Segment): void {
  old.region.step(Point.retireSegment);
  Atomics.store(old.words, Header.successor, next.generation);
  Atomics.store(old.words, Header.state, SegmentState.retired);
}

/** Nothing is left in the old generation: its successor routes. */
export function openForAll(next: Segment): void {
  next.region.step(Point.openSegment);
  Atomics.compareExchange(next.words, Header.state, SegmentState.waiting, SegmentState.open);
}

/** First word of a topic's name. */
function nameOf({ words, layout }: Segment, topic: number): number {
  return words[layout.topicNames + (topic * topicNameBytes) / 4] ?? 0;
}

function copyTopics(old: Segment, next: Segment): void {
  const topics = Math.min(old.layout.sizes.topics, next.layout.sizes.topics);
  const from = old.layout.topicNames;
  next.words.set(old.words.subarray(from, from + (topics * topicNameBytes) / 4), next.layout.topicNames);
}

function subscriptionsOf({ region, layout }: Segment): readonly StoredSubscription[] {
  const records = Array.from({ length: subscriptionsMax }, (_, record) => readSubscription(region, layout, record));
  return records.filter((stored) => stored !== undefined);
}

function copySubscriptions(old: Segment, next: Segment): void {
  for (const stored of subscriptionsOf(old)) {
    // What was asked for since the sizes were found right.
    checkSubscription(next.layout, stored.subscription);
    // Without what it has counted and whose buckets are whose: they belong to lanes of the old generation.
    placeSubscription(next.region, next.layout, stored);
  }
}
