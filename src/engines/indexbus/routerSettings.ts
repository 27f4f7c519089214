import type { ChangeRouter } from './commands.ts';
import type { IndexbusConfig } from './config.ts';
import { BusError } from './errors.ts';
import type { Routed } from './rolling.ts';

/** How a router polls, as configuration and HTTP write it. All of it can change while the router runs. */
export type RouterSettings = Pick<IndexbusConfig, 'router_batch_size' | 'router_poll_interval_us' | 'router_spin_us'>;

/** Some of them. */
export type GivenSettings = { readonly [Key in keyof RouterSettings]?: RouterSettings[Key] | undefined };

/** The settings as a command. @param spinUsOf resolves `auto` */
export function routerChangeOf(
  { router_batch_size: batchSize, router_poll_interval_us: pollIntervalUs, router_spin_us: spin }: GivenSettings,
  spinUsOf: (spin: RouterSettings['router_spin_us']) => number,
): ChangeRouter {
  return {
    do: 'change-router',
    ...(batchSize === undefined ? {} : { batchSize }),
    ...(pollIntervalUs === undefined ? {} : { pollIntervalUs }),
    ...(spin === undefined ? {} : { spinUs: spinUsOf(spin) }),
  };
}

/**
 * Changes the routers of what is served, and of the generation that those come to who come now, if a roll builds one. Rejects with `BusError` where that
 * one does not allow it, and then nothing has changed; what is emptied goes on with its own batch where the new one is not for its slots and lanes.
 */
export async function changeRouters(served: Routed, taker: Routed, command: ChangeRouter): Promise<void> {
  await taker.runner.apply(command);
  if (taker.runner === served.runner) return;
  const { batchSize: _, ...others } = command;
  await served.runner.apply(command).catch((error: unknown) => {
    if (!(error instanceof BusError)) throw error;
    return served.runner.apply(others);
  });
}
