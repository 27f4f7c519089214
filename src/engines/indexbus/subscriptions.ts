import type { Region } from '../../host/sharedMemory.ts';
import type { Subscription } from './commands.ts';
import { subscriptionNames } from './declaration.ts';
import { BusError } from './errors.ts';
import {
  Access,
  LaneMode,
  type Layout,
  patternsBytes,
  SubscriptionRecord,
  seatNameBytes,
  subscriptionsMax,
  subscriptionWords,
} from './layout.ts';
import { isPattern } from './patterns.ts';
import { Point } from './points.ts';
import { changeRecord, readRecord, recordAt } from './recordChange.ts';
import { loadText, textBytes, textWords } from './texts.ts';

const modes = ['broadcast', 'workqueue', 'keyed'] as const;
const balances = ['round_robin', 'least_depth'] as const;
const deliveries = ['at_most_once', 'at_least_once'] as const;

/** A subscription and where it stands. */
export interface StoredSubscription {
  readonly record: number;
  readonly epoch: number;
  readonly subscription: Subscription;
}

/** A word of a record's owners that names no lane. */
export const nobodysBuckets = -1;

/** The subscription of a record; undefined where there is none. Also for processes other than the router's, while it changes. */
export function readSubscription(region: Region, layout: Layout, record: number): StoredSubscription | undefined {
  return readRecord(region, layout, record, (at) => subscriptionAt(region.words, at, record));
}

function subscriptionAt(words: Int32Array, at: number, record: number): StoredSubscription | undefined {
  const word = (field: number): number => Atomics.load(words, at + field);
  const epoch = word(SubscriptionRecord.epoch);
  if (epoch === 0) return undefined;
  const laneMode = word(SubscriptionRecord.laneMode);
  const limit = (field: number): number | undefined => word(field) || undefined;
  return {
    record,
    epoch,
    subscription: {
      name: loadText(words, at + SubscriptionRecord.name, seatNameBytes),
      topics: loadText(words, at + SubscriptionRecord.patterns, patternsBytes).split('\n'),
      mode: modes[word(SubscriptionRecord.mode)] ?? 'broadcast',
      lane: laneMode & LaneMode.blocking ? 'blocking' : 'nonblocking',
      drop: laneMode & LaneMode.dropOldest ? 'oldest' : 'newest',
      capacity: word(SubscriptionRecord.capacity),
      creditLimit: limit(SubscriptionRecord.creditLimit),
      balance: balances[word(SubscriptionRecord.balance)] ?? 'round_robin',
      detachAfterMs: limit(SubscriptionRecord.detachAfterMs),
      delivery: deliveries[word(SubscriptionRecord.delivery)] ?? 'at_most_once',
      access: word(SubscriptionRecord.access) === Access.view ? 'view' : 'copy',
      viewMax: word(SubscriptionRecord.viewMax),
    },
  };
}

/** A subscription that a segment has, by its name. */
export function findSubscription(
  { region, layout }: { readonly region: Region; readonly layout: Layout },
  name: string,
): Subscription | undefined {
  for (let record = 0; record < subscriptionsMax; record += 1) {
    const stored = readSubscription(region, layout, record);
    if (stored?.subscription.name === name) return stored.subscription;
  }
  return undefined;
}

/** Checks that a subscription is one, that it goes together, and fits the segment. Throws `BusError`. */
export function checkSubscription(layout: Layout, subscription: Subscription): void {
  const { name, topics, access, delivery, drop, lane, mode, viewMax, capacity, creditLimit, detachAfterMs } =
    subscription;
  const refuse = (code: 'IB_UNSAFE_CHANGE' | 'IB_BAD_CONFIG' | 'IB_NEEDS_ROLL', message: string): never => {
    throw new BusError(code, `subscription ${name}: ${message}`);
  };
  const whole = (key: string, value: number | undefined, least: number, most: number): void => {
    if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return;
    refuse('IB_BAD_CONFIG', `${key} is ${value}, expected ${least} to ${most}`);
  };
  const one = (key: string, value: string, known: readonly string[]): void => {
    if (!known.includes(value)) refuse('IB_BAD_CONFIG', `${key} is ${value}, expected ${known.join(', ')}`);
  };
  if (!subscriptionNames.test(name)) refuse('IB_BAD_CONFIG', 'its name is not 1 to 63 of a-z, 0-9, ".", "_", "-"');
  if (topics.length === 0 || !topics.every(isPattern)) {
    refuse('IB_BAD_CONFIG', `its topics are ${JSON.stringify(topics)}, expected patterns`);
  }
  one('mode', mode, modes);
  one('lane', lane, ['blocking', 'nonblocking']);
  one('drop', drop, ['newest', 'oldest']);
  one('balance', subscription.balance, balances);
  one('delivery', delivery, deliveries);
  one('access', access, ['copy', 'view']);
  if (capacity > layout.sizes.laneRing / 2) {
    refuse(
      'IB_NEEDS_ROLL',
      `capacity ${capacity} is above ${layout.sizes.laneRing / 2}, half of lane_ring: roll the segment`,
    );
  }
  whole('capacity', capacity, 1, layout.sizes.laneRing / 2);
  whole('credit_limit', creditLimit, 1, capacity);
  whole('detach_after_ms', detachAfterMs, 1, 3_600_000);
  whole('view_max', viewMax, 1, 4096);
  if (delivery === 'at_least_once' && (access !== 'view' || mode === 'broadcast')) {
    refuse('IB_BAD_CONFIG', 'at_least_once needs a workqueue or keyed mode and access: view');
  }
  if (delivery === 'at_least_once' && lane !== 'blocking') {
    refuse('IB_UNSAFE_CHANGE', 'at_least_once needs blocking lanes: others would drop what shall come once more');
  }
  if (access === 'view' && drop === 'oldest') {
    refuse('IB_BAD_CONFIG', 'drop: oldest takes back what is in the lane; a view lane cannot be taken back');
  }
  if (access === 'view' && viewMax > capacity)
    refuse('IB_BAD_CONFIG', `view_max ${viewMax} is above capacity ${capacity}`);
  const patterns = textBytes(subscription.topics.join('\n'));
  if (patterns > patternsBytes)
    refuse('IB_BAD_CONFIG', `its patterns have ${patterns} bytes, at most ${patternsBytes} fit`);
}

/**
 * Makes a subscription of a record, or changes the one that it is: whoever reads it, and whoever routes after a crash, finds the old one or the new one.
 * Throws `BusError` for one that does not fit.
 */
export function writeSubscription(
  region: Region,
  layout: Layout,
  record: number,
  subscription: Subscription,
): StoredSubscription {
  checkSubscription(layout, subscription);
  const last = lastEpoch(region, layout, record);
  const epoch = ((last + 1) | 0) === 0 ? 1 : (last + 1) | 0;
  changeRecord(region, layout, record, imageOf(subscription, epoch));
  // As it is read by others, in one order of keys.
  return readSubscription(region, layout, record) ?? { record, epoch, subscription };
}

/** Writes a subscription as it stands elsewhere into a record of a segment that nobody has seen yet. */
export function placeSubscription(
  region: Region,
  layout: Layout,
  { record, epoch, subscription }: StoredSubscription,
): void {
  region.words.set(imageOf(subscription, epoch), recordAt(layout, record));
}

/** The 256 words of a subscription's record; nothing counted, no bucket owned. */
function imageOf(subscription: Subscription, epoch: number): Int32Array {
  const image = new Int32Array(subscriptionWords);
  image[SubscriptionRecord.epoch] = epoch;
  image[SubscriptionRecord.mode] = modes.indexOf(subscription.mode);
  image[SubscriptionRecord.laneMode] =
    (subscription.lane === 'blocking' ? LaneMode.blocking : 0) |
    (subscription.drop === 'oldest' ? LaneMode.dropOldest : 0);
  image[SubscriptionRecord.capacity] = subscription.capacity;
  image[SubscriptionRecord.creditLimit] = subscription.creditLimit ?? 0;
  image[SubscriptionRecord.balance] = balances.indexOf(subscription.balance);
  image[SubscriptionRecord.detachAfterMs] = subscription.detachAfterMs ?? 0;
  image[SubscriptionRecord.delivery] = deliveries.indexOf(subscription.delivery);
  image[SubscriptionRecord.access] = subscription.access === 'view' ? Access.view : Access.copy;
  image[SubscriptionRecord.viewMax] = subscription.viewMax;
  image.set(textWords(seatNameBytes, subscription.name), SubscriptionRecord.name);
  image.fill(nobodysBuckets, SubscriptionRecord.owners, SubscriptionRecord.patterns);
  image.set(textWords(patternsBytes, subscription.topics.join('\n')), SubscriptionRecord.patterns);
  return image;
}

/** Epoch of the subscription that a record is or, without one, was last; 0 for a record that never was one. */
export function lastEpoch({ words }: Region, layout: Layout, record: number): number {
  const at = recordAt(layout, record);
  return Atomics.load(words, at + SubscriptionRecord.epoch) || Atomics.load(words, at + SubscriptionRecord.formerEpoch);
}

/** Takes the record out. Its epoch is kept in `formerEpoch`, so that a later one has another. */
export function removeSubscription(region: Region, layout: Layout, record: number): void {
  const { words } = region;
  const at = recordAt(layout, record);
  region.step(Point.removeSubscription);
  Atomics.store(words, at + SubscriptionRecord.formerEpoch, Atomics.load(words, at + SubscriptionRecord.epoch));
  region.step(Point.removeSubscription);
  Atomics.store(words, at + SubscriptionRecord.epoch, 0);
}
