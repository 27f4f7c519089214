import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attach } from '../../../src/engines/indexbus/attachments.ts';
import type { Consumer } from '../../../src/engines/indexbus/busConsumer.ts';
import { join } from '../../../src/engines/indexbus/join.ts';
import { leave } from '../../../src/engines/indexbus/leave.ts';
import { Point } from '../../../src/engines/indexbus/points.ts';
import { Peers } from './support/peers.ts';
import { generation, holdingUp, mortalConsumer, published, workAndAll } from './support/rolled.ts';
import { seatStateOf } from './support/seats.ts';
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

  it('tell of a joiner that it lives, though the seat still names its former holder, which is gone', async () => {
    const node = await peers.node(smallRouter(workAndAll));
    // A generation has locks of its own: those of the first one tell of nobody here.
    await node.roll({ lanes_max: 3 });
    await expect.poll(() => generation(node)).toBe(2);
    const former = await mortalConsumer(peers);
    const stands = await mortalConsumer(peers);
    former.die();
    await expect.poll(() => node.serving && seatStateOf(node.serving.segment, 'consumer', 0)).toBe('free');
    const found: unknown[] = [];
    const step = (point: number): void => {
      if (point !== Point.writeSeat) return;
      found.push(...(node.serving?.prober.probe() ?? []).filter(({ state }) => state === 'claimed'));
    };
    const host = peers.host({ step });
    const attachment = await attach(host, { shm: host.shm, name: 'bus' }, 1_000);
    // More than the lane takes, so that the roll waits for the source.
    await published(peers, 64);
    await node.roll({ slot_bytes: 128 });
    const late = await join(attachment, { kind: 'consumer', name: 'late', subscription: 1, attachTimeoutMs: 1_000 });
    expect(found).toMatchObject([{ judgement: { verdict: 'alive', proof: 'lock' } }]);
    stands.die();
    await leave(attachment, late, 1_000);
  });
});
