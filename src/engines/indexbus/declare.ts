import { type IndexbusConfig, subscriptionOf } from './config.ts';
import type { Routed } from './rolling.ts';
import { findSubscription } from './subscriptions.ts';

/** Tells a router of the subscriptions that the configuration has. Rejects with `BusError` where the segment does not allow one. */
export async function declareSubscriptions(
  { segment, runner }: Routed,
  { subscriptions }: IndexbusConfig,
): Promise<void> {
  for (const { name, ...body } of subscriptions) {
    const subscription = subscriptionOf(name, body, segment.layout.sizes.laneRing);
    const known = findSubscription(segment, name);
    if (JSON.stringify(known) === JSON.stringify(subscription)) continue;
    await runner.apply({ do: 'put-subscription', subscription });
  }
}
