import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { findSubscription } from '../../../src/engines/indexbus/subscriptions.ts';
import { codeOf, Peers, subscription } from './support/peers.ts';
import { smallRouter } from './support/smallRouter.ts';

const config = smallRouter({
  lane_ring: 64,
  subscriptions: [
    { name: 's', topics: ['t'], mode: 'broadcast', capacity: 16 },
    { name: 'later', topics: ['t'], capacity: 16 },
  ],
});

let peers: Peers;
let node: BusNode;
beforeEach(async () => {
  peers = new Peers();
  node = await peers.node(config);
});
afterEach(() => peers.end());

/** An operator has made it another while no consumer was there, and has deleted the one after it. */
async function replaced(): Promise<void> {
  const { runner } = node.bus;
  await runner.apply({ do: 'delete-subscription', name: 's' });
  await runner.apply({ do: 'put-subscription', subscription: subscription('s', { mode: 'workqueue', capacity: 8 }) });
  await runner.apply({ do: 'delete-subscription', name: 'later' });
}

async function restarted(): Promise<void> {
  await node.close();
  node = await peers.node(config);
}

const modeNow = (name: string) => findSubscription(node.bus.segment, name)?.mode;
const warnings = () => peers.logged.filter(({ message }) => message === 'subscription stays as it is');

describe('a router that starts, whose configuration has a subscription with another mode than it was given meanwhile', () => {
  it('routes where it has consumers: it stays as it is, the log says so, and the others are declared', async () => {
    await replaced();
    const bus = await peers.bus();
    const consumer = await bus.consumer({ subscription: 's' });
    await restarted();
    expect(modeNow('s')).toBe('workqueue');
    expect(modeNow('later')).toBe('broadcast');
    expect(warnings().map(({ fields }) => fields)).toEqual([
      {
        segment: 'bus',
        subscription: 's',
        mode: 'workqueue',
        configured: 'broadcast',
        reason: 's has consumers: detach them before its mode changes',
      },
    ]);
    const producer = await bus.producer();
    producer.publishWords(await bus.topic('t'), Int32Array.of(7), 0, 1);
    producer.flush();
    expect(await consumer.ready(1_000)).toBe(true);
  });

  it('makes it what the configuration says where it has none', async () => {
    await replaced();
    await restarted();
    expect(modeNow('s')).toBe('broadcast');
    expect(warnings()).toEqual([]);
  });

  it('says so also of a reload, which declares the others', async () => {
    await replaced();
    const bus = await peers.bus();
    await bus.consumer({ subscription: 's' });
    node.reload({ ...config, router_batch_size: 8 });
    await expect.poll(() => modeNow('later')).toBe('broadcast');
    expect(modeNow('s')).toBe('workqueue');
    expect(warnings()).toHaveLength(1);
  });

  it('refuses to start with one that has no room in the segment, whoever is there', async () => {
    await node.close();
    const wide = smallRouter({ lane_ring: 256, subscriptions: [{ name: 's', topics: ['t'], capacity: 100 }] });
    const cause = peers
      .node(wide)
      .catch((error: unknown) => Promise.reject(error instanceof Error ? error.cause : error));
    expect(await codeOf(() => cause)).toBe('IB_NEEDS_ROLL');
  });
});
