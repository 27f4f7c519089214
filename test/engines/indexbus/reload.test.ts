import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { LoopStat } from '../../../src/engines/indexbus/loopStats.ts';
import { ask } from './support/asking.ts';
import { bytesOf, Peers } from './support/peers.ts';
import { generation } from './support/rolled.ts';
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

  it('that the generation which a roll builds refuses has not changed the one before either', async () => {
    await node.roll({ slots_per_producer: 1_024 });
    await expect.poll(() => generation(node)).toBe(3);
    // It reads nothing for now: the roll waits for it.
    await peers.bus().then((bus) => bus.consumer({ subscription: 'all' }));
    await published(4);
    await node.roll({ slots_per_producer: 128 });
    await expect.poll(() => node.rolling()?.waits_for).toBe('consumers');
    const commands = vi.spyOn(node.bus.runner, 'apply');
    const answer = await ask(node, 'PATCH', '/router', { router_batch_size: 64, router_poll_interval_us: 3_000 });
    expect(answer).toMatchObject({ status: 422, body: { error: { code: 'IB_BAD_CONFIG' } } });
    expect(commands.mock.calls.filter(([command]) => command.do === 'change-router')).toEqual([]);
    expect(node.config).toMatchObject({ router_batch_size: 16, router_poll_interval_us: 100 });
    // What both take, both are told.
    expect((await ask(node, 'PATCH', '/router', { router_batch_size: 32 })).status).toBe(200);
    expect(commands).toHaveBeenCalledWith({ do: 'change-router', batchSize: 32 });
  });

  it('counts for the next generation too', async () => {
    expect(await pollsFor(64)).toBe(4);
    await ask(node, 'PATCH', '/router', { router_batch_size: 32, router_spin_us: 7 });
    expect(await pollsFor(64)).toBe(2);
    await node.roll({ lanes_max: 6 });
    await expect.poll(() => generation(node)).toBe(3);
    expect(await pollsFor(64)).toBe(2);
    expect(node.config).toMatchObject({ router_batch_size: 32, router_spin_us: 7 });
  });
});

/** A producer that has published so many messages and flushed them at once; it has left. */
async function published(count: number): Promise<void> {
  const bus = await peers.bus();
  const producer = await bus.producer();
  const topic = await bus.topic('t');
  for (let number = 0; number < count; number += 1) producer.publish(topic, bytesOf('m'));
  producer.flush();
  await producer.close();
}

/** In how many polls the router takes so many messages that are flushed at once. */
async function pollsFor(count: number): Promise<number> {
  const polls = (): number => node.bus.runner.stats.values[LoopStat.busyPolls] ?? 0;
  const before = polls();
  await published(count);
  return polls() - before;
}
