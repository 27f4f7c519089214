import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openBus } from '../../../src/engines/indexbus/bus.ts';
import { cursorWords, DetachReason, LaneCursor, ProducerCursor } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import type { RouterNews } from '../../../src/engines/indexbus/routerRunner.ts';
import { Peers, subscription } from './support/peers.ts';

let peers: Peers;
let news: RouterNews[];
beforeEach(() => {
  peers = new Peers();
  news = [];
});
afterEach(() => peers.end());

const onNews = (it: RouterNews): void => {
  news.push(it);
};

function of<Name extends RouterNews['news']>(name: Name): Extract<RouterNews, { news: Name }>[] {
  return news.filter((it): it is Extract<RouterNews, { news: Name }> => it.news === name);
}

describe('what a router tells of a lane that ends', () => {
  it.each(['dead', 'stalled'] as const)(
    'should be that its consumer was %s when its time is up, before anybody has looked who lives',
    async (how) => {
      const group = subscription('group', { lane: 'blocking', capacity: 2, detachAfterMs: 100 });
      await peers.router('bus', { subscriptions: [group], onNews });
      const survivor = await peers.bus();
      const topic = await survivor.topic('t');
      const mortal = peers.mortal();
      const bus = await openBus({ host: mortal.host, segment: 'bus', attachTimeoutMs: 1_000 });
      await bus.consumer({ subscription: 'group' });
      const producer = await survivor.producer({ flushEvery: 1 });
      for (let number = 0; number < 4; number += 1) producer.publishWords(topic, Int32Array.of(number), 0, 1);
      if (how === 'dead') mortal.bury();
      await expect.poll(() => of('lane-ended')).toMatchObject([{ lane: 0, reason: DetachReason[how], unread: 2 }]);
    },
  );

  it('should be what was lost of that end, also where others had the seat before', async () => {
    const { segment } = await peers.router('bus', { subscriptions: [subscription('all')], onNews });
    const tail = (): number => segment.words[segment.layout.laneCursors + LaneCursor.tail] ?? 0;
    const bus = await peers.bus();
    const topic = await bus.topic('t');
    const producer = await bus.producer({ flushEvery: 1 });
    for (const unread of [3, 2]) {
      const consumer = await bus.consumer({ subscription: 'all' });
      const before = tail();
      for (let number = 0; number < unread; number += 1) producer.publishWords(topic, Int32Array.of(number), 0, 1);
      await expect.poll(tail).toBe(before + unread);
      await consumer.close();
    }
    await expect
      .poll(() => of('lane-freed'))
      .toEqual([
        { news: 'lane-freed', lane: 0, requeued: 0, lost: 3 },
        { news: 'lane-freed', lane: 0, requeued: 0, lost: 2 },
      ]);
  });

  it('should be what went to the others of its group', async () => {
    const group = subscription('group', { mode: 'workqueue', lane: 'blocking' });
    await peers.router('bus', { subscriptions: [group], onNews });
    const bus = await peers.bus();
    const topic = await bus.topic('t');
    const producer = await bus.producer({ flushEvery: 1 });
    const first = await bus.consumer({ subscription: 'group' });
    for (let number = 0; number < 5; number += 1) producer.publishWords(topic, Int32Array.of(number), 0, 1);
    expect(await first.ready(1_000)).toBe(true);
    await expect.poll(() => producer.credit).toBe(123);
    await bus.consumer({ subscription: 'group' });
    await first.close();
    await expect.poll(() => of('lane-freed')).toEqual([{ news: 'lane-freed', lane: 0, requeued: 5, lost: 0 }]);
    await producer.close({ drainTimeoutMs: 1 });
  });
});

describe('what a router tells of a producer whose source is damaged', () => {
  it('should be how many messages behind the damage nobody gets', async () => {
    const { segment } = await peers.router('bus', { subscriptions: [subscription('all')], onNews });
    const bus = await peers.bus();
    const topic = await bus.topic('t');
    const consumer = await bus.consumer({ subscription: 'all' });
    const producer = await bus.producer();
    const [{ seat = -1 } = {}] = bus.inspect().producers;
    const { words, layout } = segment;
    const first = words[layout.producerCursors + seat * cursorWords + ProducerCursor.sourceTail] ?? 0;
    for (let number = 0; number < 7; number += 1) producer.publishWords(topic, Int32Array.of(number), 0, 1);
    const descriptor = (first + 3) & (layout.sizes.slots - 1);
    words[layout.sources + seat * layout.sourceStep + descriptor * 4] = 1 << 20;
    producer.flush();
    await expect
      .poll(() => of('producer-ended'))
      .toContainEqual({
        news: 'producer-ended',
        producer: seat,
        reason: DetachReason.corrupt,
        unrouted: 4,
      });
    const batch = new MessageBatch(16, 1_024);
    expect(await consumer.ready(1_000)).toBe(true);
    expect(consumer.receive(batch)).toBe(3);
  });
});
