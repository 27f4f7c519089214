import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attach } from '../../../src/engines/indexbus/attachments.ts';
import { join } from '../../../src/engines/indexbus/join.ts';
import { Header, SegmentState } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { seeThrough } from '../../../src/engines/indexbus/rolling.ts';
import type { RouterRunner } from '../../../src/engines/indexbus/routerRunner.ts';
import { stateOf } from '../../../src/engines/indexbus/seat.ts';
import { type SeatKindName, seatPlaces } from '../../../src/engines/indexbus/seatPlaces.ts';
import type { Segment } from '../../../src/engines/indexbus/segment.ts';
import { buildSuccessor } from '../../../src/engines/indexbus/successor.ts';
import type { Host } from '../../../src/host/host.ts';
import { bytesOf, codeOf, Peers, peerSizes, subscription } from './support/peers.ts';

let peers: Peers;
beforeEach(() => {
  peers = new Peers();
});
afterEach(() => peers.end());

/** Rolls a segment as the daemon does, up to the end of the old generation's router. */
async function beginRoll(old: Segment, runner: RouterRunner) {
  const host = peers.host();
  const successor = await buildSuccessor({ shm: host.shm, name: 'bus' }, old, peerSizes);
  const next = peers.serve(successor, host);
  const signal = new AbortController().signal;
  const over = seeThrough(host, { segment: old, runner }, { segment: successor, runner: next }, signal).then(() =>
    runner.stop(),
  );
  return { successor, over };
}

/** A participant whose bus has just looked for a roll, and does not look again by itself. */
function withoutLooks(): Host {
  const host = peers.host();
  return { ...host, clock: { ...host.clock, timer: () => ({ cancel: () => {} }) } };
}

function seats({ words, layout }: Segment, kind: SeatKindName) {
  return seatPlaces(layout, kind).map(({ at }) => stateOf(Atomics.load(words, at)));
}

async function isState({ words }: Segment, state: number): Promise<void> {
  const { clock } = peers.host();
  while (Atomics.load(words, Header.state) !== state) await clock.sleep(1);
}

const all = subscription('all', { lane: 'blocking' });

describe('who joins while a segment is rolled', () => {
  it('never joins the retired generation: a producer goes to the next one, and what it publishes arrives', async () => {
    const { segment: old, runner } = await peers.router('bus', { subscriptions: [all] });
    const consumer = await (await peers.bus()).consumer({ subscription: 'all' });
    const bus = await peers.bus({ host: withoutLooks() });
    const topic = await bus.topic('a');
    const { over } = await beginRoll(old, runner);
    await isState(old, SegmentState.retired);
    const producer = await bus.producer();
    expect(seats(old, 'producer')).toEqual(['free', 'free', 'free', 'free']);
    await over;
    for (let number = 0; number < 3; number += 1) expect(producer.publish(topic, bytesOf('x'))).toBe(true);
    producer.flush();
    const batch = new MessageBatch(8, 1024);
    let received = 0;
    while (received < 3 && (await consumer.ready(2_000))) received += consumer.receive(batch);
    expect(received).toBe(3);
  }, 15_000);

  it('asks and joins without an error, during the drain and right after the roll, and at once', async () => {
    const { segment: old, runner } = await peers.router('bus', { subscriptions: [all] });
    const [during, after] = [
      await peers.bus({ host: withoutLooks(), attachTimeoutMs: 5_000 }),
      await peers.bus({ host: withoutLooks(), attachTimeoutMs: 5_000 }),
    ];
    const { successor, over } = await beginRoll(old, runner);
    await isState(old, SegmentState.retired);
    const topic = await during.topic('made_meanwhile');
    await over;
    const { clock } = peers.host();
    const began = clock.now();
    const producer = await after.producer();
    const declare = subscription('new', { lane: 'blocking' });
    const consumer = await after.consumer({ subscription: 'new', declare });
    expect(clock.now() - began).toBeLessThan(1_000);
    expect(seats(successor, 'producer').filter((state) => state === 'live')).toHaveLength(1);
    producer.publish(topic, bytesOf('x'));
    producer.flush();
    expect(await consumer.ready(2_000)).toBe(true);
    expect(consumer.receive(new MessageBatch(8, 1024))).toBe(1);
  }, 15_000);

  it('is refused by the router of a generation that is retired, whatever it knows', async () => {
    const { segment: old } = await peers.router('bus', { subscriptions: [all] });
    const host = peers.host();
    const attachment = await attach(host, { shm: host.shm, name: 'bus' }, 1_000);
    for (const kind of ['producer', 'consumer'] as const) {
      // Retired in the moment in which the seat is ready.
      const joining = codeOf(() => join(attachment, { kind, name: kind, subscription: 0, attachTimeoutMs: 1_000 }));
      Atomics.store(old.words, Header.state, SegmentState.retired);
      expect(await joining).toBe('IB_RETIRED');
      expect(seats(old, kind)).toEqual(['free', 'free', 'free', 'free']);
      Atomics.store(old.words, Header.state, SegmentState.open);
    }
  });

  it('learns at once that the segment is retired where no router answers any more', async () => {
    const { segment: old, runner } = await peers.router('bus');
    const host = peers.host();
    const attachment = await attach(host, { shm: host.shm, name: 'bus' }, 1_000);
    await runner.stop();
    const request = { kind: 'producer', name: 'late', attachTimeoutMs: 5_000 } as const;
    const began = host.clock.now();
    const joining = codeOf(() => join(attachment, request));
    Atomics.store(old.words, Header.state, SegmentState.retired);
    expect([await joining, await codeOf(() => join(attachment, request))]).toEqual(['IB_RETIRED', 'IB_RETIRED']);
    expect(host.clock.now() - began).toBeLessThan(1_000);
    expect(seats(old, 'producer')).toEqual(['free', 'free', 'free', 'free']);
  });

  it('is told IB_RETIRED where a drain has no next generation, after its patience', async () => {
    const { runner } = await peers.router('bus');
    const bus = await peers.bus({ attachTimeoutMs: 300 });
    await runner.apply({ do: 'drain' });
    const { clock } = peers.host();
    const began = clock.now();
    expect(await codeOf(() => bus.producer())).toBe('IB_RETIRED');
    expect(clock.now() - began).toBeGreaterThan(250);
  });
});
