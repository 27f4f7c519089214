import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BusError } from '../../../src/engines/indexbus/errors.ts';
import { Header, Lock } from '../../../src/engines/indexbus/layout.ts';
import { createSegment } from '../../../src/engines/indexbus/segment.ts';
import { codeOf, Peers, peerSizes, subscription } from './support/peers.ts';
import { smallRouter } from './support/smallRouter.ts';

/** Longer than any test: who waits for it has not been refused. */
const longMs = 3_600_000;

const sizes = { lane_ring: 64, lanes_max: 4 };
const config = smallRouter({ ...sizes, subscriptions: [{ name: 'all', topics: ['t'], capacity: 32 }] });
const other = smallRouter({ ...sizes, subscriptions: [{ name: 'other', topics: ['t'], capacity: 32 }] });

let peers: Peers;
beforeEach(() => {
  peers = new Peers();
});
afterEach(() => peers.end());

/** A segment that no router has come to yet: what a participant finds that is faster than the first one. */
async function withoutRouter(): Promise<void> {
  await createSegment({ shm: peers.host().shm, name: 'bus' }, peerSizes, 1);
}

describe('a consumer of a subscription that the configuration has', () => {
  it('waits for the first start of the router', async () => {
    await withoutRouter();
    const bus = await peers.bus({ attachTimeoutMs: longMs });
    const coming = bus.consumer({ subscription: 'all' });
    await peers.node(config);
    expect((await coming).epoch).toBeGreaterThan(0);
  });

  it('waits for the next router, where the former one did not have it', async () => {
    const former = await peers.node(config);
    const bus = await peers.bus({ attachTimeoutMs: longMs });
    await former.close();
    const coming = bus.consumer({ subscription: 'other' });
    await peers.node(other);
    expect((await coming).epoch).toBeGreaterThan(0);
  });

  it('waits for a router that has the lock, and has not come to the segment of one that died', async () => {
    const former = await peers.node(config);
    const bus = await peers.bus({ attachTimeoutMs: longMs });
    await former.close();
    const { clock, shm } = peers.host();
    const lock = await shm.open('bus', 4, { mode: 'open' });
    lock.lock(Lock.router);
    const coming = bus.consumer({ subscription: 'other' });
    const isRefused = coming.then(
      () => false,
      () => true,
    );
    expect(await Promise.race([isRefused, clock.sleep(100)])).toBeUndefined();
    lock.close();
    await peers.node(other);
    expect((await coming).epoch).toBeGreaterThan(0);
  });

  it('waits for the next router, where another one came, had it not, and went between two looks', async () => {
    const former = await peers.node(config);
    await former.close();
    const host = peers.host();
    const { clock } = host;
    const [asleep, awake] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let looks = 0;
    const sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
      looks += 1;
      asleep.resolve();
      await awake.promise;
      await clock.sleep(ms, signal);
    };
    const bus = await peers.bus({ host: { ...host, clock: { ...clock, sleep } }, attachTimeoutMs: longMs });
    const coming = bus.consumer({ subscription: 'other' });
    // Looked at below, when it has looked again.
    const refused = coming.then(
      () => 'none',
      (error: BusError) => error.code,
    );
    await asleep.promise;
    const between = await peers.node(config);
    const { words } = between.bus.segment;
    const declared = () => Atomics.load(words, Header.declaredEpoch) === Atomics.load(words, Header.routerEpoch);
    expect(declared()).toBe(true);
    await between.close();
    awake.resolve();
    await Promise.race([refused, expect.poll(() => looks).toBeGreaterThan(2)]);
    await peers.node(other);
    expect(await refused).toBe('none');
    expect((await coming).epoch).toBeGreaterThan(0);
  });

  it('comes when a participant declares it', async () => {
    // One that never says that its configuration is all there.
    await peers.router();
    const bus = await peers.bus({ attachTimeoutMs: longMs });
    const coming = bus.consumer({ subscription: 'mine' });
    await bus.consumer({ subscription: 'mine', declare: subscription('mine') });
    expect((await coming).epoch).toBeGreaterThan(0);
  });

  it('ends its wait with the bus', async () => {
    await withoutRouter();
    const bus = await peers.bus({ attachTimeoutMs: longMs });
    const refused = codeOf(() => bus.consumer({ subscription: 'all' }));
    await bus.close();
    expect(await refused).toBe('IB_CLOSED');
  });
});

describe('a consumer of a subscription that nobody declares', () => {
  it('is refused at once by a router that is up, also after a roll', async () => {
    const node = await peers.node(config);
    const bus = await peers.bus({ attachTimeoutMs: longMs });
    expect(await codeOf(() => bus.consumer({ subscription: 'none' }))).toBe('IB_UNKNOWN_TOPIC');
    await node.roll({ slots_per_producer: 128 });
    await expect.poll(() => node.tallies.retired.rolled).toBe(1);
    expect(await codeOf(() => bus.consumer({ subscription: 'none' }))).toBe('IB_UNKNOWN_TOPIC');
  });

  it('is told that nobody routes, where that is so', async () => {
    await withoutRouter();
    const bus = await peers.bus({ attachTimeoutMs: 30 });
    expect(await codeOf(() => bus.consumer({ subscription: 'all' }))).toBe('IB_NO_ROUTER');
  });
});
