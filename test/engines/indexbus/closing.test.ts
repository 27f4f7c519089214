import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Lock } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { stateOf } from '../../../src/engines/indexbus/seat.ts';
import { type SeatKindName, seatPlaces } from '../../../src/engines/indexbus/seatPlaces.ts';
import { createSegment, type Segment } from '../../../src/engines/indexbus/segment.ts';
import { codeOf, Peers, peerSizes, subscription } from './support/peers.ts';

let peers: Peers;
beforeEach(() => {
  peers = new Peers();
});
afterEach(() => peers.end());

/** Seats that are not free, and locks of seats that somebody holds. */
function left({ words, layout, region, generation }: Segment): readonly string[] {
  const nobody = { pid: 1, startTicks: 1, pidSpace: 1 };
  const kinds: readonly SeatKindName[] = ['producer', 'consumer'];
  return kinds.flatMap((kind) =>
    seatPlaces(layout, kind).flatMap(({ at, number, index }) => {
      const state = stateOf(Atomics.load(words, at));
      const { lock } = region.evidence(Lock.seat(generation, index), nobody);
      return state === 'free' && lock === 'free' ? [] : [`${kind} ${number} ${state}, lock ${lock}`];
    }),
  );
}

/** A segment that nobody routes. */
async function withoutRouter(): Promise<Segment> {
  const host = peers.host();
  return await createSegment({ shm: host.shm, name: 'bus' }, peerSizes, 1);
}

describe('a producer that closes after it was fenced', () => {
  it.each(['before', 'after'] as const)(
    'does not wait for consumers to read what it flushed %s the fence',
    async (when) => {
      const { runner } = await peers.router('bus', { subscriptions: [subscription('all')] });
      const bus = await peers.bus();
      const consumer = await bus.consumer({ subscription: 'all' });
      const producer = await bus.producer();
      const topic = await bus.topic('t');
      producer.publishWords(topic, Int32Array.of(1), 0, 1);
      producer.flush();
      expect(await consumer.ready(1_000)).toBe(true);
      await runner.apply({ do: 'fence-producer', seat: 0 });
      if (when === 'after') {
        producer.publishWords(topic, Int32Array.of(2), 0, 1);
        expect(await codeOf(() => producer.flush())).toBe('IB_FENCED');
      }
      let isClosed = false;
      const closing = producer.close({ drainTimeoutMs: 600_000 }).then(() => {
        isClosed = true;
      });
      await expect.poll(() => isClosed, { timeout: 4_000 }).toBe(true);
      await closing;
    },
  );
});

describe('a bus that closes', () => {
  it('ends joins under way, which reject with IB_CLOSED, and leaves no seat and no lock', async () => {
    const { segment } = await peers.router('bus', { subscriptions: [subscription('all')] });
    for (let round = 0; round < 8; round += 1) {
      const bus = await peers.bus();
      const joins = [
        codeOf(() => bus.producer()),
        codeOf(() => bus.consumer({ subscription: 'all' })),
        codeOf(() => bus.topic('a')),
      ];
      // Some are met before they have claimed a seat, some while the router makes it live.
      for (let turn = 0; turn < round; turn += 1) await peers.host().clock.sleep(0);
      await bus.close();
      for (const code of await Promise.all(joins)) expect(['IB_CLOSED', 'none']).toContain(code);
      expect(left(segment)).toEqual([]);
    }
  });

  it('ends joins that no router answers at once, whatever their patience', async () => {
    const segment = await withoutRouter();
    const bus = await peers.bus({ attachTimeoutMs: Number.POSITIVE_INFINITY });
    const joins = [codeOf(() => bus.producer()), codeOf(() => bus.topic('a'))];
    const { clock } = peers.host();
    await clock.sleep(20);
    const began = clock.now();
    await bus.close();
    expect(await Promise.all(joins)).toEqual(['IB_CLOSED', 'IB_CLOSED']);
    expect(clock.now() - began).toBeLessThan(1_000);
    expect(left(segment)).toEqual([]);
  });

  it('is not waited for any more where who opens it says so', async () => {
    const segment = await withoutRouter();
    const ending = new AbortController();
    const { clock } = peers.host();
    const opened = codeOf(() => peers.bus({ segments: ['bus', 'none'], signal: ending.signal }));
    await clock.sleep(20);
    const began = clock.now();
    ending.abort();
    expect(await opened).toBe('IB_CLOSED');
    expect(clock.now() - began).toBeLessThan(1);
    expect(left(segment)).toEqual([]);
    // One that is there is not waited for, and opens.
    await (await peers.bus({ signal: ending.signal })).close();
  });

  it('ends a search for a seat that is about to be free', async () => {
    const { segment, runner } = await peers.router('bus', { sizes: { producers: 1 } });
    const holder = await (await peers.bus()).producer();
    const bus = await peers.bus({ attachTimeoutMs: 10_000 });
    await runner.stop();
    const leaving = holder.close();
    const host = peers.host();
    const began = host.clock.now();
    const joining = codeOf(() => bus.producer());
    await host.clock.sleep(20);
    await bus.close();
    expect(await joining).toBe('IB_CLOSED');
    expect(host.clock.now() - began).toBeLessThan(1_000);
    peers.serve(segment, host);
    await leaving;
  });

  it('waits for what closes already, and for whoever called it first', async () => {
    const { segment, runner } = await peers.router('bus', { subscriptions: [subscription('all')] });
    const bus = await peers.bus();
    const [producer, consumer] = [await bus.producer(), await bus.consumer({ subscription: 'all' })];
    await runner.stop();
    const closes = [producer.close({ drainTimeoutMs: 1_000 }), consumer.close()];
    const all = Promise.all([...closes, bus.close(), bus.close(), producer.close(), consumer.close()]);
    const host = peers.host();
    await host.clock.sleep(20);
    expect(left(segment)).toEqual(['producer 0 leaving, lock held', 'consumer 0 leaving, lock held']);
    peers.serve(segment, host);
    await all;
    expect(left(segment)).toEqual([]);
  });
});

describe('what is closed', () => {
  it('says so at each call, also where there would be nothing to do', async () => {
    await peers.router('bus', { subscriptions: [subscription('all')] });
    const bus = await peers.bus();
    const [producer, consumer] = [await bus.producer(), await bus.consumer({ subscription: 'all' })];
    await Promise.all([producer.close(), consumer.close()]);
    const calls = {
      flush: () => producer.flush(),
      reserve: () => producer.reserve(4),
      ack: () => consumer.ack(),
      receive: () => consumer.receive(new MessageBatch(1, 64)),
      reattach: () => consumer.reattach(),
    };
    for (const [name, call] of Object.entries(calls)) expect([name, await codeOf(call)]).toEqual([name, 'IB_CLOSED']);
  });
});
