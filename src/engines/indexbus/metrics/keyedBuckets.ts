import { highest } from '../keyBuckets.ts';
import { keyBuckets, Seat, SubscriptionRecord, subscriptionsMax, subscriptionWords } from '../layout.ts';
import { stateOf } from '../seat.ts';
import { seatPlaces } from '../seatPlaces.ts';
import type { Serving } from '../serving.ts';
import { readSubscription } from '../subscriptions.ts';
import type { Reading, Register } from './register.ts';

/** How far keyed groups are with the moves of their buckets. */
export function keyedMetrics({ gauge, serving }: Register): void {
  gauge(
    'keyed_moving_buckets',
    'Buckets of keys that shall belong to another lane and wait until their former one is through; of 256.',
    serving(movingBuckets),
  );
}

/** By the owners that the segment has and the lanes that live: where a bucket shall be follows from its number and theirs. */
function movingBuckets({ segment }: Serving): readonly Reading[] {
  const { words, layout } = segment;
  const live = seatPlaces(layout, 'consumer').filter(({ at }) => stateOf(Atomics.load(words, at)) === 'live');
  const readings: Reading[] = [];
  for (let record = 0; record < subscriptionsMax; record += 1) {
    const stored = readSubscription(segment.region, layout, record);
    if (stored?.subscription.mode !== 'keyed') continue;
    const lanes = live.filter(({ at }) => words[at + Seat.subscription] === record).map(({ number }) => number);
    const owners = layout.subscriptions + record * subscriptionWords + SubscriptionRecord.owners;
    let moving = 0;
    for (let bucket = 0; bucket < keyBuckets; bucket += 1) {
      const owner = ((words[owners + (bucket >> 2)] ?? 0) >>> ((bucket & 3) * 8)) & 255;
      if (owner !== highest(bucket, lanes)) moving += 1;
    }
    readings.push([{ subscription: stored.subscription.name }, moving]);
  }
  return readings;
}
