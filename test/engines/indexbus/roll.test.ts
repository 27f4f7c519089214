import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cursorWords, Header, ProducerCursor, SegmentState } from '../../../src/engines/indexbus/layout.ts';
import { seeThrough } from '../../../src/engines/indexbus/rolling.ts';
import { buildSuccessor } from '../../../src/engines/indexbus/successor.ts';
import { bytesOf, codeOf, Peers, peerSizes, subscription } from './support/peers.ts';

let peers: Peers;
beforeEach(() => {
  peers = new Peers();
});
afterEach(() => peers.end());

describe('a roll', () => {
  it('takes producers and consumers to the next generation; nothing is lost, repeated or overtaken', async () => {
    const { segment: old, runner } = await peers.router('bus', {
      subscriptions: [
        subscription('all', { lane: 'blocking', topics: ['a', 'b'] }),
        subscription('work', { lane: 'blocking', mode: 'workqueue', topics: ['b'] }),
      ],
    });
    const bus = await peers.bus();
    const reader = await peers.bus();
    const topics = [await bus.topic('a'), await bus.topic('b')];
    const producers = [await bus.producer(), await bus.producer()];
    const consumers = [await reader.consumer({ subscription: 'all' }), await reader.consumer({ subscription: 'work' })];
    const seen = consumers.map((): number[][] => [[], []]);
    const reading = consumers.map(async (consumer, index) => {
      for await (const batch of consumer) {
        for (let at = 0; at < batch.length; at += 1) {
          const [from = 0, number = 0] = batch.words.subarray(batch.wordOffset(at));
          seen[index]?.[from]?.push(number);
        }
      }
    });
    let next = 0;
    const publishSome = async (count: number): Promise<void> => {
      for (let index = 0; index < count; index += 1) {
        for (const [from, producer] of producers.entries()) {
          const message = Int32Array.of(from, next);
          while (!producer.publishWords(topics[from] ?? 0, message, 0, 2)) await producer.ready(1000);
        }
        next += 1;
        if (index % 8 === 0) await bus.topic('a').then(() => new Promise((resolve) => setImmediate(resolve)));
      }
    };
    await publishSome(200);

    const host = peers.host();
    const successor = await buildSuccessor({ shm: host.shm, name: 'bus' }, old, {
      ...peerSizes,
      slots: 256,
      laneRing: 128,
    });
    const following = { segment: successor, runner: peers.serve(successor, host) };
    /** States of both generations between two looks of the roll. */
    const steps = new Set<string>();
    const flushedInNext = (producer: number): number =>
      Atomics.load(
        successor.words,
        successor.layout.producerCursors + producer * cursorWords + ProducerCursor.sourceTail,
      );
    // Both producers are ahead of their consumers, with messages that nobody may have yet.
    const areAhead = (): boolean => producers.every((_, producer) => flushedInNext(producer) > 0);
    const stateOf = ({ words }: typeof old): number => Atomics.load(words, Header.state);
    /** Between two looks of the roll. Once the old generation is retired it waits until both producers are ahead. */
    const sleep = async (ms: number): Promise<void> => {
      const isRetired = stateOf(old) === SegmentState.retired;
      steps.add(`${stateOf(old)} ${stateOf(successor)}`);
      do await host.clock.sleep(ms);
      while (isRetired && !areAhead());
    };
    const patient = { ...host, clock: { ...host.clock, sleep } };
    const rolled = seeThrough(patient, { segment: old, runner }, following, new AbortController().signal);
    while (!areAhead()) await publishSome(8);
    await rolled;
    expect([...steps]).toEqual([
      `${SegmentState.draining} ${SegmentState.waiting}`,
      `${SegmentState.retired} ${SegmentState.waiting}`,
    ]);
    expect(stateOf(successor)).toBe(SegmentState.open);
    await publishSome(100);
    await Promise.all(producers.map((producer) => producer.close()));
    const all = Array.from({ length: next }, (_, number) => number);
    await expect
      .poll(() => seen.map((by) => by.map((numbers) => numbers.length)), { timeout: 10_000 })
      .toEqual([
        [next, next],
        [0, next],
      ]);
    expect(seen).toEqual([
      [all, all],
      [[], all],
    ]);
    // What was published after the roll, and what waited for its end.
    for (const producer of producers.keys()) expect(flushedInNext(producer)).toBeGreaterThan(100);
    await Promise.all(consumers.map((consumer) => consumer.close()));
    await Promise.all(reading);
  }, 30_000);

  it('is refused where the new sizes have no room for what is there; the old one stays', async () => {
    const { segment: old } = await peers.router('bus', { subscriptions: [subscription('all', { capacity: 32 })] });
    const bus = await peers.bus();
    await bus.topic('a');
    await bus.topic('b');
    const place = { shm: peers.host().shm, name: 'bus' };
    expect(await codeOf(() => buildSuccessor(place, old, { ...peerSizes, topics: 1 }))).toBe('IB_TOPICS_FULL');
    expect(await codeOf(() => buildSuccessor(place, old, { ...peerSizes, laneRing: 32 }))).toBe('IB_NEEDS_ROLL');
    const producer = await bus.producer();
    expect(producer.publish(await bus.topic('b'), bytesOf('x'))).toBe(true);
    expect((await peers.bus()) && Atomics.load(old.words, Header.state)).toBe(SegmentState.open);
  });
});
