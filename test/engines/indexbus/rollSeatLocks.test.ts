import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Consumer } from '../../../src/engines/indexbus/busConsumer.ts';
import { Peers } from './support/peers.ts';
import { generation, holdingUp, mortalConsumer, workAndAll } from './support/rolled.ts';
import { smallRouter } from './support/smallRouter.ts';

let peers: Peers;
beforeEach(() => {
  peers = new Peers();
});
afterEach(() => peers.end());

/** Receives for ever, as a program that works. */
async function works(consumer: Consumer): Promise<void> {
  for await (const _ of consumer) {
    // What comes is of no matter here.
  }
}

describe('the locks of seats of a generation that is rolled', () => {
  it('keep nobody from a seat of the next one, whose seats of producers are more', async () => {
    const node = await peers.node(smallRouter({ ...workAndAll, producers_max: 2 }));
    const { goOn, producer: feed } = await holdingUp(peers);
    await feed.close();
    await node.roll({ producers_max: 3 });
    await expect.poll(() => node.rolling()?.waits_for).toBe('consumers');
    const late = await peers.bus();
    const producers = [await late.producer(), await late.producer(), await late.producer()];
    goOn();
    await expect.poll(() => generation(node), { timeout: 8_000 }).toBe(2);
    for (const producer of producers) await producer.close();
  });

  it('keep nobody who moves from a seat of the next one, whose lanes are as few as those who are there', async () => {
    const node = await peers.node(smallRouter({ ...workAndAll, lanes_max: 2 }));
    // It stands, and never acknowledges its fence.
    await mortalConsumer(peers);
    const consumer = await (await peers.bus()).consumer({ subscription: 'all', name: 'works' });
    const working = works(consumer);
    await node.bus.runner.apply({ do: 'detach-lane', lane: 0, reason: 'operator' });
    await node.roll({ lanes_max: 1 });
    await expect.poll(() => generation(node), { timeout: 8_000 }).toBe(2);
    expect(peers.logged.filter(({ message }) => message === 'roll fences')).toEqual([]);
    await consumer.close();
    await working;
  });
});
