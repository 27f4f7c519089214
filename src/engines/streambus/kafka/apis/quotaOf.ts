import type { Quota } from '../../meta/metadata.ts';
import type { DoorContext } from '../doorContext.ts';
import { anonymous } from '../session.ts';
import type { Limited } from '../throttle.ts';

/** The limits of whoever sent a request: those that were set for him, each else the configuration's. */
export function quotaOf(context: DoorContext): Quota {
  const { principal, clientId, services } = context;
  const user = principal === anonymous ? undefined : principal.slice('User:'.length);
  const set = services.metadata.quota(user, clientId);
  const fallback = services.config.quotas.default;
  return {
    produceRate: set.produceRate ?? fallback.produce_rate,
    fetchRate: set.fetchRate ?? fallback.fetch_rate,
    produceBytesRate: set.produceBytesRate ?? fallback.produce_bytes_rate,
    fetchBytesRate: set.fetchBytesRate ?? fallback.fetch_bytes_rate,
  };
}

/** Charges the sender for what was done, and holds its connection back for the time that is returned, in milliseconds. */
export function charge(context: DoorContext, amounts: readonly (readonly [Limited, number])[]): number {
  const quota = quotaOf(context);
  const client = `${context.principal} ${context.clientId}`;
  const times = amounts.map(([limited, amount]) =>
    context.door.throttle.charge(client, limited, amount, quota[limited]),
  );
  return context.mute(Math.max(0, ...times));
}
