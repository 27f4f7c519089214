import type { SizesBody } from './config.ts';
import { BusError } from './errors.ts';
import {
  Header,
  type SegmentSizes,
  SegmentState,
  SubscriptionRecord,
  subscriptionsMax,
  subscriptionWords,
  topicNameBytes,
} from './layout.ts';
import { Point } from './points.ts';
import { type SeatStateName, stateOf } from './seat.ts';
import { type SeatKindName, seatPlaces } from './seatPlaces.ts';
import { createSegment, type Segment, type SegmentPlace } from './segment.ts';
import { checkSubscription, readSubscription } from './subscriptions.ts';
import { readTopics } from './topics.ts';

/** Words of a subscription's record that count what happened in its segment. */
const countedWords = [
  SubscriptionRecord.droppedNoCredit,
  SubscriptionRecord.droppedAllFull,
  SubscriptionRecord.droppedDetached,
  SubscriptionRecord.requeued,
  SubscriptionRecord.redelivered,
];

/** Sizes of the next generation: those of this one with what is asked for. @throws BusError IB_BAD_CONFIG for what cannot be routed */
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
  return sizes;
}

/**
 * Builds a segment's next generation under its name, with the same topics and subscriptions under the same numbers. It takes seats and messages at
 * once, and routes nothing before `advanceRoll` opens it. The caller runs a router in it, then lets the router of `old` drain (`do: 'roll'`), and
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

function copySubscriptions(old: Segment, next: Segment): void {
  for (let record = 0; record < subscriptionsMax; record += 1) {
    const stored = readSubscription(old.region, old.layout, record);
    if (stored === undefined) continue;
    checkSubscription(next.layout, stored.subscription);
    const from = old.layout.subscriptions + record * subscriptionWords;
    const to = next.layout.subscriptions + record * subscriptionWords;
    next.words.set(old.words.subarray(from, from + subscriptionWords), to);
    for (const word of countedWords) next.words[to + word] = 0;
    // Buckets of keys belong to lanes of the old generation.
    next.words.fill(-1, to + SubscriptionRecord.owners, to + SubscriptionRecord.patterns);
  }
}

/** How far a roll has come. */
export type RollProgress = 'producers leave' | 'consumers leave' | 'done';

/** States in which a holder may still write messages, or has some that are not taken. */
const producing: readonly (SeatStateName | undefined)[] = ['claimed', 'ready', 'live', 'leaving', 'fenced', 'draining'];
/** States in which a consumer may still take messages. */
const consuming: readonly (SeatStateName | undefined)[] = ['claimed', 'ready', 'live', 'leaving', 'draining'];

/**
 * Takes the next step of a roll if it can be taken: retires the old generation once its producers have left and everything is routed, opens the new one
 * once its consumers have left or were fenced. To be called now and then until it says `done`; only the holder of the router's lock may.
 */
export function advanceRoll(old: Segment, next: Segment): RollProgress {
  const state = Atomics.load(old.words, Header.state);
  if (state === SegmentState.draining) {
    // A seat is free only when all that its source had was taken, and every slot has come home.
    if (any(old, 'producer', producing)) return 'producers leave';
    retireFor(old, next);
  }
  if (any(old, 'consumer', consuming)) return 'consumers leave';
  openForAll(next);
  return 'done';
}

function any({ words, layout }: Segment, kind: SeatKindName, states: readonly (SeatStateName | undefined)[]): boolean {
  return seatPlaces(layout, kind).some(({ at }) => states.includes(stateOf(Atomics.load(words, at))));
}
