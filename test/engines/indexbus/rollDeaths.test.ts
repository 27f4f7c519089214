import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Bus, openBus } from '../../../src/engines/indexbus/bus.ts';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { Point } from '../../../src/engines/indexbus/points.ts';
import { stateOf } from '../../../src/engines/indexbus/seat.ts';
import { type SeatKindName, seatPlaces } from '../../../src/engines/indexbus/seatPlaces.ts';
import { openSegment, type Segment } from '../../../src/engines/indexbus/segment.ts';
import { bytesOf, type Mortal, Peers } from './support/peers.ts';
import { holdingUp, workAndAll } from './support/rolled.ts';
import { smallRouter } from './support/smallRouter.ts';

let peers: Peers;
let node: BusNode;
/** Lets go what holds the roll up. */
let goOn: () => void;
/** The generation that is built. */
let next: Segment;
beforeEach(async () => {
  peers = new Peers();
  node = await peers.node(smallRouter(workAndAll));
  const slow = await holdingUp(peers);
  goOn = slow.goOn;
  await slow.producer.close();
  await node.roll({ slot_bytes: 128 });
  await expect.poll(() => node.rolling()?.waits_for).toBe('consumers');
  next = await openSegment({ shm: peers.host().shm, name: 'bus' });
});
afterEach(() => peers.end());

function states(kind: SeatKindName) {
  return seatPlaces(next.layout, kind).map(({ at }) => stateOf(Atomics.load(next.words, at)));
}

/** A participant that is killed when the test wants it. */
async function mortalBus(): Promise<{ readonly mortal: Mortal; readonly bus: Bus }> {
  const mortal = peers.mortal();
  return { mortal, bus: await openBus({ host: mortal.host, segment: 'bus', attachTimeoutMs: 1_000 }) };
}

describe('who dies in the generation that a roll builds', () => {
  it('gives up its seat while the roll lasts, however often it comes again', async () => {
    // More often than there are seats.
    for (let life = 0; life < 6; life += 1) {
      const { mortal, bus } = await mortalBus();
      await bus.producer({ name: 'restless' });
      await bus.consumer({ subscription: 'all', name: 'restless' });
      expect([states('producer'), states('consumer')].map((it) => it.includes('live'))).toEqual([true, true]);
      mortal.bury();
      await expect.poll(() => [...states('producer'), ...states('consumer')]).not.toContain('live');
    }
    await expect.poll(() => new Set([...states('producer'), ...states('consumer')])).toEqual(new Set(['free']));
    expect(node.serving?.segment.generation).toBe(1);
    const ends = peers.logged.filter(({ message }) => message === 'lane.detached').map(({ fields }) => fields);
    expect(ends).toHaveLength(6);
    for (const end of ends) expect(end).toMatchObject({ name: 'restless', reason: 'dead', proof: 'lock and process' });
  }, 20_000);

  it('gives up a seat that it had only claimed', async () => {
    const { mortal, bus } = await mortalBus();
    mortal.dieAt(Point.seatReady);
    await expect(bus.producer({ name: 'hasty' })).rejects.toThrow('at step');
    expect(states('producer')).toContain('claimed');
    mortal.bury();
    await expect.poll(() => states('producer')).toEqual(['free', 'free', 'free', 'free']);
    expect(node.serving?.segment.generation).toBe(1);
  });

  it('has what it flushed routed when the roll is over', async () => {
    const consumer = await (await peers.bus()).consumer({ subscription: 'all', name: 'reads' });
    const { mortal, bus } = await mortalBus();
    const producer = await bus.producer({ name: 'sent' });
    expect(producer.publish(await bus.topic('other'), bytesOf('last words'))).toBe(true);
    producer.flush();
    mortal.bury();
    await expect.poll(() => states('producer')).toContain('draining');
    goOn();
    await expect.poll(() => node.serving?.segment.generation, { timeout: 8_000 }).toBe(2);
    const batch = new MessageBatch(8, 1024);
    let received = 0;
    while (received === 0 && (await consumer.ready(2_000))) received = consumer.receive(batch);
    expect(received).toBe(1);
    await expect.poll(() => states('producer')).not.toContain('draining');
  }, 15_000);
});
