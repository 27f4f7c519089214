import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openBus } from '../../../src/engines/indexbus/bus.ts';
import { layoutOf, ProducerCursor } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { Point } from '../../../src/engines/indexbus/points.ts';
import { bytesOf, codeOf, Peers, peerSizes, subscription, textOf } from './support/peers.ts';

let peers: Peers;
beforeEach(() => {
  peers = new Peers();
});
afterEach(() => peers.end());

describe('a bus of several segments', () => {
  it('spreads topics over them, and each consumer has a lane in each', async () => {
    const segments = ['one', 'two'];
    for (const name of segments) await peers.router(name, { subscriptions: [subscription('all')] });
    const bus = await peers.bus({ segments });
    const other = await peers.bus({ segments });
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const topics: number[] = [];
    for (const name of names) topics.push(await bus.topic(name));
    expect(new Set(topics.map((topic) => topic >>> 16))).toEqual(new Set([0, 1]));
    for (const [index, name] of names.entries()) expect(await other.topic(name)).toBe(topics[index]);

    const consumer = await other.consumer({ subscription: 'all' });
    const producer = await bus.producer();
    for (const [index, topic] of topics.entries()) producer.publish(topic, bytesOf(names[index] ?? ''));
    const seen = new Map<number, string>();
    const batch = new MessageBatch(8, 256);
    while (seen.size < names.length && (await consumer.ready(1000))) {
      consumer.receive(batch);
      for (let index = 0; index < batch.length; index += 1) {
        expect(batch.producer(index) >>> 6).toBe(batch.topic(index) >>> 16);
        seen.set(batch.topic(index), textOf(batch.bytes(index)));
      }
    }
    expect(seen).toEqual(new Map(topics.map((topic, index) => [topic, names[index]])));
  });

  it('has one sleeper a segment, however often another one has ended its wait', async () => {
    const segments = ['one', 'two'];
    for (const name of segments) await peers.router(name, { subscriptions: [subscription('all')] });
    let sleepers = 0;
    let most = 0;
    const step = (point: number): void => {
      if (point === Point.sleep) sleepers += 1;
      if (point === Point.clearSleeping && sleepers > 0) sleepers -= 1;
      most = Math.max(most, sleepers);
    };
    const bus = await peers.bus({ segments });
    const other = await openBus({ host: peers.host({ step }), segments });
    const topics = [await bus.topic('a'), await bus.topic('b')];
    const consumer = await other.consumer({ subscription: 'all' });
    const producer = await bus.producer();
    const batch = new MessageBatch(8, 256);
    most = 0;
    for (let message = 0; message < 12; message += 1) {
      // Many of the one, then one of the other: its wake must reach the wait that is under way.
      const topic = topics[message % 6 === 5 ? 1 : 0] ?? 0;
      const found = consumer.ready(10_000);
      await new Promise((resolve) => setTimeout(resolve, 2));
      producer.publish(topic, bytesOf('x'));
      producer.flush();
      expect(await found).toBe(true);
      expect(consumer.receive(batch)).toBe(1);
      expect(batch.topic(0)).toBe(topic);
    }
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(segments.length);
    await other.close();
  });

  it('wants to know for which topic a slot is reserved', async () => {
    const segments = ['one', 'two'];
    for (const name of segments) await peers.router(name);
    const bus = await peers.bus({ segments });
    const topics = [await bus.topic('a'), await bus.topic('b'), await bus.topic('c')];
    const first = topics.find((topic) => topic >>> 16 === 0) ?? -1;
    const second = topics.find((topic) => topic >>> 16 === 1) ?? -1;
    const producer = await bus.producer();
    expect(await codeOf(() => producer.reserve(4))).toBe('IB_BAD_CONFIG');
    const word = producer.reserve(4, second);
    producer.words[word] = 5;
    expect(await codeOf(() => producer.reserve(4, first))).toBe('IB_RESERVED');
    expect(await codeOf(() => producer.commit(first, 4))).toBe('IB_RESERVED');
    producer.commit(second, 4);
    expect(producer.reserve(4, first)).toBeGreaterThan(0);
  });

  it('has what is published in one handed over by a flush, though the seat in another was taken', async () => {
    const segments = ['one', 'two'];
    const [one, two] = await Promise.all(
      segments.map((name) => peers.router(name, { subscriptions: [subscription('all')] })),
    );
    const bus = await peers.bus({ segments, atEndOfTurn: () => {} });
    const topics = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => bus.topic(name)));
    const [first = 0, second = 0] = [0, 1].map((segment) => topics.find((topic) => topic >>> 16 === segment));
    const producer = await bus.producer();
    const layout = layoutOf(peerSizes);
    await one?.runner.apply({ do: 'fence-producer', seat: 0 });
    producer.publish(first, bytesOf('x'));
    for (const sent of [1, 2]) {
      producer.publish(second, bytesOf('y'));
      expect(await codeOf(() => producer.flush())).toBe('IB_FENCED');
      expect(two?.segment.words[layout.producerCursors + ProducerCursor.sourceTail]).toBe(sent);
    }
  });

  it('is not opened where one is missing', async () => {
    await peers.router('one');
    expect(await codeOf(() => peers.bus({ segments: ['one', 'none'], attachTimeoutMs: 10 }))).toBe('IB_NO_SEGMENT');
    expect(await codeOf(() => peers.bus({ segments: [] }))).toBe('IB_BAD_CONFIG');
  });
});
