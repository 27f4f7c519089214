import type { Logger } from '../../host/telemetry.ts';
import type { Subscription } from './commands.ts';
import { type IndexbusConfig, subscriptionOf } from './config.ts';
import { isSameSubscription } from './declaration.ts';
import { BusError } from './errors.ts';
import { Header } from './layout.ts';
import { Point } from './points.ts';
import type { Routed } from './rolling.ts';
import type { Segment } from './segment.ts';
import { checkSubscription, findSubscription } from './subscriptions.ts';

/**
 * Tells a router of the subscriptions that the configuration has. One that was given another mode while routers ran, and has consumers, keeps what it
 * has: the log says so, and nobody waits for it, since without this router nobody routes. Rejects with `BusError` for the first that does not fit the segment,
 * when all others are there.
 */
export async function declareSubscriptions(
  taker: Routed,
  { subscriptions }: IndexbusConfig,
  logger: Logger,
): Promise<void> {
  const refusals: BusError[] = [];
  for (const { name, ...body } of subscriptions) {
    try {
      await declare(taker, subscriptionOf(name, body, taker.segment.layout.sizes.laneRing), logger);
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      refusals.push(error);
    }
  }
  const [first] = refusals;
  if (first !== undefined) throw first;
}

async function declare({ segment, runner }: Routed, subscription: Subscription, logger: Logger): Promise<void> {
  const { name, mode } = subscription;
  const known = findSubscription(segment, name);
  if (isSameSubscription(known, subscription)) return;
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
      configured: mode,
      reason: error.message,
    });
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
