import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attach } from '../../../src/engines/indexbus/attachments.ts';
import { sayDeclared } from '../../../src/engines/indexbus/declare.ts';
import { join } from '../../../src/engines/indexbus/join.ts';
import { Lock, subscriptionsMax } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import type { RouterRunner } from '../../../src/engines/indexbus/routerRunner.ts';
import type { Segment } from '../../../src/engines/indexbus/segment.ts';
import { findSubscription } from '../../../src/engines/indexbus/subscriptions.ts';
import { codeOf, Peers, subscription } from './support/peers.ts';

let peers: Peers;
let segment: Segment;
let runner: RouterRunner;

const named = (name: string, topic: string) =>
  subscription(name, { topics: [topic], mode: 'workqueue', lane: 'blocking' });

/** A segment of one lane, which a consumer of `first` has, and in which every record is a subscription's: `mine` among them. */
async function taken() {
  const names = ['first', 'mine', ...Array.from({ length: subscriptionsMax - 2 }, (_, index) => `other-${index}`)];
  const subscriptions = names.map((name) => named(name, name));
  ({ segment, runner } = await peers.router('bus', { sizes: { lanes: 1 }, subscriptions }));
  segment.region.lock(Lock.router);
  sayDeclared(segment);
  const { host, bury } = peers.mortal();
  const attachment = await attach(host, { shm: host.shm, name: 'bus' }, 1_000);
  const request = { kind: 'consumer', name: 'mortal', subscription: 0, attachTimeoutMs: 1_000 } as const;
  const { place, epoch } = await join(attachment, request);
  bury();
  return { frees: () => runner.apply({ do: 'peer-dead', seat: place.index, epoch }) };
}

/** The record of one subscription becomes another one's. */
async function renamed(from: string, to: string): Promise<void> {
  await runner.apply({ do: 'delete-subscription', name: from });
  await runner.apply({ do: 'put-subscription', subscription: named(to, to) });
}

beforeEach(() => {
  peers = new Peers();
});
afterEach(() => peers.end());

describe('a consumer of a subscription whose record is another one’s when its seat is live', () => {
  it('does not receive what is the other one’s', async () => {
    const { frees } = await taken();
    const bus = await peers.bus();
    // It has found the record, and waits for a seat.
    const refused = codeOf(() => bus.consumer({ subscription: 'mine' }));
    await Promise.resolve();
    await renamed('mine', 'yours');
    await frees();
    expect(await refused).toBe('IB_UNKNOWN_TOPIC');
    // Its seat is there for those of the other one.
    const yours = await bus.consumer({ subscription: 'yours' });
    await yours.close();
  });

  it('goes where its own is by then', async () => {
    const { frees } = await taken();
    const bus = await peers.bus();
    const topics = [await bus.topic('mine'), await bus.topic('yours')];
    const joining = bus.consumer({ subscription: 'mine' });
    await Promise.resolve();
    await renamed('mine', 'yours');
    await renamed('other-0', 'mine');
    expect(findSubscription(segment, 'mine')?.topics).toEqual(['mine']);
    await frees();
    const consumer = await joining;
    const producer = await bus.producer();
    for (const topic of [...topics, ...topics]) producer.publishWords(topic, Int32Array.of(topic), 0, 1);
    producer.flush();
    const batch = new MessageBatch(8, 512);
    const seen: number[] = [];
    while (seen.length < 2 && (await consumer.ready(2_000))) {
      consumer.receive(batch);
      for (let at = 0; at < batch.length; at += 1) seen.push(batch.words[batch.wordOffset(at)] ?? -1);
    }
    expect(seen).toEqual([topics[0], topics[0]]);
  });
});
