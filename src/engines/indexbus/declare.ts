import { type IndexbusConfig, subscriptionOf } from './config.ts';
import { Header } from './layout.ts';
import { Point } from './points.ts';
import type { Routed } from './rolling.ts';
import type { Segment } from './segment.ts';
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

/**
 * Says that all subscriptions of the configuration are there, as long as this router routes: consumers of others are refused from now on, and do not wait.
 * A router that dies before has said nothing, and the next one says it for itself.
 */
export function sayDeclared({ region, words }: Segment): void {
  region.step(Point.configurationIsThere);
  Atomics.store(words, Header.declaredEpoch, Atomics.load(words, Header.routerEpoch));
}
