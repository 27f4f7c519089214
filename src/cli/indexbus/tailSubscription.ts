import { randomBytes } from 'node:crypto';
import { BusError } from '../../engines/indexbus/errors.ts';
import type { Bus } from '../../engines/indexbus/index.ts';
import type { ProcessIdentity } from '../../host/sharedMemory.ts';
import { ownIdentity, processOf } from '../../real/shm/identity.ts';

/** Name of a tail's own subscription: whose it is, so that it can be told when nobody needs it any more. */
export function tailSubscriptionName({ pid, startTicks, pidSpace } = ownIdentity()): string {
  return `tail.${pid}.${startTicks}.${pidSpace}.${randomBytes(4).toString('hex')}`;
}

/** Whose subscription it is by its name; undefined for one that is no tail's. */
export function tailOf(subscription: string): ProcessIdentity | undefined {
  const [, pid, startTicks, pidSpace] = /^tail\.(\d+)\.(\d+)\.(\d+)\.[0-9a-f]{8}$/.exec(subscription) ?? [];
  if (pid === undefined) return undefined;
  return { pid: Number(pid), startTicks: Number(startTicks), pidSpace: Number(pidSpace) };
}

/** Deletes what tails that were killed have left. What cannot be deleted stays for the next one. */
export async function sweepTails(bus: Bus): Promise<void> {
  for (const name of bus.inspect().subscriptions) {
    const tail = tailOf(name);
    const isLeft = tail !== undefined && ['gone', 'other', 'zombie'].includes(processOf(tail));
    if (isLeft) await forget(bus, name);
  }
}

/** Deletes a subscription, if nobody needs it any more and somebody routes: a router that is gone deletes nothing. */
export async function forget(bus: Bus, subscription: string): Promise<void> {
  if (!bus.isRouted()) return;
  try {
    await bus.unsubscribe(subscription);
  } catch (error) {
    // Its lane is not free yet, a roll is under way, somebody else was faster, or the router has just gone.
    if (!(error instanceof BusError)) throw error;
  }
}
