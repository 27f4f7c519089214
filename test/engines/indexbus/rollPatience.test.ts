import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Bus } from '../../../src/engines/indexbus/bus.ts';
import type { Consumer } from '../../../src/engines/indexbus/busConsumer.ts';
import type { Subscription } from '../../../src/engines/indexbus/commands.ts';
import { Header, SegmentState } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { seeThrough } from '../../../src/engines/indexbus/rolling.ts';
import { buildSuccessor } from '../../../src/engines/indexbus/successor.ts';
import { hasty } from './support/hasty.ts';
import { bytesOf, Peers, peerSizes, subscription, textOf } from './support/peers.ts';

/** The patience of a roll is over so much sooner here. */
const faster = 10;

let peers: Peers;
beforeEach(() => {
  peers = new Peers();
});
afterEach(() => peers.end());

const says = (message: string) => peers.logged.filter((line) => line.message === message);

/** A segment with one subscription, and what is sent to it. */
async function bus(change: Partial<Subscription>) {
  const { segment, runner } = await peers.router('bus', {
    subscriptions: [subscription('work', { mode: 'workqueue', ...change })],
  });
  const sender = await peers.bus();
  const topic = await sender.topic('a');
  const producer = await sender.producer();
  const publish = (count: number): void => {
    for (let n = 0; n < count; n += 1) producer.publish(topic, bytesOf(`m${n}`));
    producer.flush();
  };
  return { segment, runner, publish };
}

/** Rolls, and resolves when the next generation routes. */
async function roll({ segment, runner }: Awaited<ReturnType<typeof bus>>): Promise<void> {
  const host = peers.host();
  const next = await buildSuccessor({ shm: host.shm, name: 'bus' }, segment, peerSizes);
  const routed = { segment: next, runner: peers.serve(next, host) };
  await seeThrough(hasty(host, faster), { segment, runner }, routed, new AbortController().signal);
  expect(Atomics.load(next.words, Header.state)).toBe(SegmentState.open);
}

/** Takes one message, then works on it for two of a roll's seconds, until it has so many. */
async function readSlowly(consumer: Consumer, many: number): Promise<readonly string[]> {
  const batch = new MessageBatch(1, 1024);
  const seen: string[] = [];
  while (seen.length < many) {
    if (consumer.receive(batch) === 0) await consumer.ready(50);
    else {
      seen.push(textOf(batch.bytes(0)));
      await new Promise((resolve) => setTimeout(resolve, 2_000 / faster));
    }
  }
  consumer.ack();
  return seen;
}

async function consumerOf(reader: Bus): Promise<Consumer> {
  return reader.consumer({ subscription: 'work' });
}

describe('a roll and a consumer that is slow', () => {
  it('waits for one of a lane that blocks as long as it takes what there is', async () => {
    const there = await bus({ lane: 'blocking' });
    const consumer = await consumerOf(await peers.bus());
    there.publish(8);
    const read = readSlowly(consumer, 8);
    await roll(there);
    expect(await read).toEqual(['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7']);
    expect(says('roll fences')).toEqual([]);
  }, 20_000);

  it('fences one of a lane that blocks when it has stopped', async () => {
    const there = await bus({ lane: 'blocking' });
    await consumerOf(await peers.bus());
    there.publish(8);
    await roll(there);
    expect(says('roll fences').map(({ fields }) => fields)).toEqual([{ segment: 'bus', kind: 'consumer', seat: 0 }]);
    expect(says('roll gives up').map(({ fields }) => fields)).toMatchObject([{ lane: 0, unread: 8 }]);
  }, 20_000);

  it('waits for one of a lane that does not block for its five seconds alone', async () => {
    const there = await bus({ lane: 'nonblocking' });
    const consumer = await consumerOf(await peers.bus());
    there.publish(8);
    const read = readSlowly(consumer, 8).catch(() => 'fenced');
    await roll(there);
    expect(says('roll fences')).toHaveLength(1);
    expect(await read).toBe('fenced');
  }, 20_000);

  it('gives up nothing that a stopped one leaves to its mate, who takes it as there is room', async () => {
    const there = await bus({ lane: 'blocking', capacity: 8 });
    await consumerOf(await peers.bus());
    const mate = await consumerOf(await peers.bus());
    there.publish(16);
    const rolled = roll(there);
    // It has taken a few of its own eight when the other is sent away, whose eight do not find room at once.
    expect(new Set(await readSlowly(mate, 16)).size).toBe(16);
    await rolled;
    expect(says('roll fences').map(({ fields }) => fields)).toEqual([{ segment: 'bus', kind: 'consumer', seat: 0 }]);
    expect(says('roll gives up')).toEqual([]);
  }, 20_000);
});
