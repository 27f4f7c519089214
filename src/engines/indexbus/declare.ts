import type { Logger } from '../../host/telemetry.ts';
import { type IndexbusConfig, subscriptionOf } from './config.ts';
import { BusError } from './errors.ts';
import { Header } from './layout.ts';
import { Point } from './points.ts';
import type { Routed } from './rolling.ts';
import type { Segment } from './segment.ts';
import { checkSubscription, findSubscription } from './subscriptions.ts';

/**
 * Tells a router of the subscriptions that the configuration has. One that was given another mode while routers ran, and has consumers, keeps what it
 * has: the log says so, and nobody waits for it, since without this router nobody routes. Rejects with `BusError` for one that does not fit the segment.
 */
export async function declareSubscriptions(
  { segment, runner }: Routed,
  { subscriptions }: IndexbusConfig,
  logger: Logger,
): Promise<void> {
  for (const { name, ...body } of subscriptions) {
    const subscription = subscriptionOf(name, body, segment.layout.sizes.laneRing);
    const known = findSubscription(segment, name);
    if (JSON.stringify(known) === JSON.stringify(subscription)) continue;
    // What is no such thing, whoever is there.
    checkSubscription(segment.layout, subscription);
    try {
      await runner.apply({ do: 'put-subscription', subscription });
    } catch (error) {
      const isInUse = error instanceof BusError && error.code === 'IB_UNSAFE_CHANGE' && known !== undefined;
      if (!isInUse) throw error;
      logger.warn('subscription stays as it is', {
        segment: segment.name,
        subscription: name,
        mode: known.mode,
        configured: subscription.mode,
        reason: error.message,
      });
    }
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
