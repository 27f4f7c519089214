import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { ask } from './support/asking.ts';
import { Peers } from './support/peers.ts';
import { smallRouter } from './support/smallRouter.ts';

const subscription = (name: string, capacity = 16) => ({ name, topics: ['>'], capacity });
const configured = (more: Readonly<Record<string, unknown>>) =>
  smallRouter({ slots_per_producer: 1_024, lane_ring: 64, subscriptions: [subscription('all')], ...more });

let peers: Peers;
let node: BusNode;
/** A router whose segment has fewer slots and smaller rings than its configuration says: batches of 64 and capacities above 16 do not fit. */
beforeEach(async () => {
  peers = new Peers();
  node = await peers.node(configured({}));
  await node.roll({ slots_per_producer: 128, lane_ring: 32 });
  await expect.poll(() => node.isRolling).toBe(false);
});
afterEach(() => peers.end());

const names = async (): Promise<readonly string[]> =>
  (await ask(node, 'GET', '/subscriptions')).body.map((it: { readonly name: string }) => it.name);
const refusals = (): readonly unknown[] =>
  peers.logged.filter(({ message }) => message === 'part of the configuration was refused').map((it) => it.fields);

describe('a reload', () => {
  const next = configured({
    router_batch_size: 256,
    router_poll_interval_us: 2_000,
    subscriptions: [subscription('all'), subscription('more')],
  });

  it('of a batch size that is refused takes over all that is not', async () => {
    node.reload(next);
    await expect.poll(names).toEqual(['all', 'more']);
    expect(refusals()).toEqual([{ reason: 'router_batch_size 256 does not fit' }]);
    expect(node.config).toMatchObject({ router_batch_size: 16, router_poll_interval_us: 2_000 });
  });

  it('with what was refused before tries it again, and says so again', async () => {
    node.reload(next);
    await expect.poll(() => refusals().length).toBe(1);
    expect(node.reload(next).applied).toEqual(['router_batch_size']);
    await expect.poll(() => refusals().length).toBe(2);
    await node.roll({ slots_per_producer: 1_024 });
    await expect.poll(() => node.isRolling).toBe(false);
    node.reload(next);
    await expect.poll(() => node.config.router_batch_size).toBe(256);
    expect(refusals().length).toBe(2);
  });

  it('with a batch size that is refused keeps nobody from a roll', async () => {
    node.reload(next);
    await expect.poll(() => refusals().length).toBe(1);
    await node.roll({ lanes_max: 6 });
    await expect.poll(() => node.serving?.segment.generation).toBe(3);
  });

  it('of a subscription that is refused takes over those behind it', async () => {
    node.reload(configured({ subscriptions: [subscription('all'), subscription('huge', 32), subscription('more')] }));
    await expect.poll(names).toEqual(['all', 'more']);
    await expect.poll(() => refusals().length).toBe(1);
  });

  it('of a file that is as it was makes subscriptions what it says', async () => {
    await ask(node, 'PUT', '/subscriptions/all', { topics: ['other'] });
    node.reload(configured({}));
    await expect.poll(async () => (await ask(node, 'GET', '/subscriptions/all')).body.topics).toEqual(['>']);
  });
});

describe('a change of the router', () => {
  it('that is refused has changed nothing', async () => {
    const answer = await ask(node, 'PATCH', '/router', {
      router_batch_size: 64,
      router_poll_interval_us: 3_000,
      router_spin_us: 7_777,
    });
    expect(answer).toMatchObject({ status: 422, body: { error: { code: 'IB_BAD_CONFIG' } } });
    expect((await ask(node, 'PATCH', '/router', {})).body).toEqual({
      router_batch_size: 16,
      router_poll_interval_us: 100,
      router_spin_us: 'auto',
    });
  });

  it('counts for the next generation too', async () => {
    await ask(node, 'PATCH', '/router', { router_batch_size: 32, router_spin_us: 7 });
    expect(node.config).toMatchObject({ router_batch_size: 32, router_spin_us: 7 });
  });
});
