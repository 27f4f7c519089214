import { describe, expect, it } from 'vitest';
import { attach } from '../../../src/engines/indexbus/attachments.ts';
import { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import type { IndexbusConfig } from '../../../src/engines/indexbus/config.ts';
import { join } from '../../../src/engines/indexbus/join.ts';
import { Header, SegmentState } from '../../../src/engines/indexbus/layout.ts';
import { openSegment } from '../../../src/engines/indexbus/segment.ts';
import type { Host } from '../../../src/host/host.ts';
import type { Region, SharedMemory } from '../../../src/host/sharedMemory.ts';
import { codeOf, Peers } from './support/peers.ts';
import { smallRouter } from './support/smallRouter.ts';

const config = smallRouter({
  lane_ring: 64,
  lanes_max: 4,
  subscriptions: [{ name: 'all', topics: ['t'], lane: 'blocking', capacity: 32 }],
});
const standby: IndexbusConfig = { ...config, standby: true };

/** A router's process that is closed before one of its calls that open memory or change its names, which are slow. */
class ClosingNode {
  readonly node: BusNode;
  /** The calls that it came to, counted from when it was armed. */
  readonly moments: string[] = [];
  /** What it did with memory after it had let go of the router's lock. */
  readonly late: string[] = [];
  readonly closed = Promise.withResolvers<void>();
  armed = false;
  readonly #closesAt: number;
  #released = false;

  constructor(peers: Peers, settings: IndexbusConfig, closesAt: number) {
    this.#closesAt = closesAt;
    const host = peers.host();
    const { shm } = host;
    const slow =
      <A extends readonly unknown[], R>(name: string, call: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        this.#moment(`${name} ${String(args[0])}`);
        if (this.armed) await host.clock.sleep(2);
        this.#see(`${name} ${String(args[0])}`);
        return call(...args);
      };
    const watched: SharedMemory = {
      ...shm,
      open: slow('open', async (...args: Parameters<SharedMemory['open']>) =>
        this.#watched(args[0], await shm.open(...args)),
      ),
      rename: slow('rename', shm.rename),
      remove: slow('remove', shm.remove),
      stat: slow('stat', shm.stat),
    };
    this.node = new BusNode({ ...host, shm: watched } satisfies Host, settings, {});
  }

  #watched(name: string, region: Region): Region {
    const own: Region = { ...region, step: (point) => this.#see(`point ${point} in ${name}`) };
    if (!name.endsWith('.locks')) return own;
    return {
      ...own,
      unlock: (index) => {
        this.#released = true;
        region.unlock(index);
      },
    };
  }

  #see(what: string): void {
    if (this.#released) this.late.push(what);
  }

  #moment(what: string): void {
    if (!this.armed) return;
    if (this.moments.length === this.#closesAt) this.node.close().then(this.closed.resolve, this.closed.reject);
    this.moments.push(what);
  }
}

/** What a scene leaves: the node that was to do something, armed from its beginning, and when it has done it. */
interface Scene {
  readonly settings: IndexbusConfig;
  /** What was there before; returns what makes the node begin. */
  before(peers: Peers): Promise<(closing: ClosingNode) => Promise<void>>;
  isDone(closing: ClosingNode): boolean;
}

const routes = ({ node }: ClosingNode): boolean => node.serving !== undefined;
const isRolled = ({ node }: ClosingNode): boolean => node.tallies.retired.rolled === 1;

/** A start that is cut off says so. */
async function starts({ node }: ClosingNode): Promise<void> {
  await node.start().catch((error: unknown) => {
    expect(error).toMatchObject({ code: 'IB_CLOSED' });
  });
}

const scenes: Readonly<Record<string, Scene>> = {
  'it makes its segment': {
    settings: config,
    before: async () => starts,
    isDone: routes,
  },
  'it takes over as a standby': {
    settings: standby,
    async before(peers) {
      const former = await peers.node(config);
      return async (closing) => {
        closing.armed = false;
        await starts(closing);
        closing.armed = true;
        await former.close();
      };
    },
    isDone: routes,
  },
  'it rolls its segment': {
    settings: config,
    before: async () => async (closing) => {
      closing.armed = false;
      await closing.node.start();
      closing.armed = true;
      await closing.node.roll({ slots_per_producer: 128 });
    },
    isDone: isRolled,
  },
  'it goes on with a roll of another': {
    settings: config,
    async before(peers) {
      const former = await peers.node(config);
      // A consumer that does not move keeps the roll from its end.
      const { host, bury } = peers.mortal();
      const attachment = await attach(host, { shm: host.shm, name: 'bus' }, 1_000);
      await join(attachment, { kind: 'consumer', name: 'mortal', subscription: 0, attachTimeoutMs: 1_000 });
      await former.roll({ slots_per_producer: 128 });
      await former.close();
      expect(await peers.host().shm.stat('bus.former')).toBeDefined();
      bury();
      return starts;
    },
    isDone: isRolled,
  },
};

/** A scene in which the node is closed at a moment; returns what it had come to. */
async function closeAt(scene: Scene, closesAt: number): Promise<readonly string[]> {
  const peers = new Peers();
  const begin = await scene.before(peers);
  const closing = new ClosingNode(peers, scene.settings, closesAt);
  closing.armed = true;
  const began = begin(closing);
  if (Number.isFinite(closesAt)) await closing.closed.promise;
  else {
    await expect.poll(() => scene.isDone(closing), { timeout: 5_000 }).toBe(true);
    await closing.node.close();
  }
  const { moments } = closing;
  const told = `closed at moment ${closesAt}: ${moments[closesAt] ?? 'when all was done'}`;
  const doneAtEnd = [...moments];
  await began;
  // Another one is there as soon as the lock is free.
  const next = await peers.node(config);
  const { words } = next.bus.segment;
  const epoch = words[Header.routerEpoch];
  await peers.host().clock.sleep(10);
  expect(closing.late, told).toEqual([]);
  expect(moments, told).toEqual(doneAtEnd);
  expect(closing.node.serving, told).toBeUndefined();
  expect(words[Header.routerEpoch], told).toBe(epoch);
  // A roll that has begun is seen through by it.
  const names = async (): Promise<unknown> => {
    const { segment } = next.bus;
    const state = Atomics.load(segment.words, Header.state);
    return { state, former: await peers.host().shm.stat('bus.former') };
  };
  await expect.poll(names, { message: told, timeout: 5_000 }).toEqual({ state: SegmentState.open, former: undefined });
  const named = await openSegment({ shm: peers.host().shm, name: 'bus' });
  expect(named.generation, told).toBe(next.bus.segment.generation);
  await next.close();
  const polls = Atomics.load(named.words, Header.loops);
  await peers.host().clock.sleep(10);
  expect(Atomics.load(named.words, Header.loops), `${told}: nobody polls`).toBe(polls);
  await peers.end();
  return doneAtEnd;
}

describe('a router that is closed lets go of the lock last', () => {
  for (const [name, scene] of Object.entries(scenes)) {
    it(`while ${name}`, async () => {
      const whole = await closeAt(scene, Number.POSITIVE_INFINITY);
      expect(whole.length).toBeGreaterThan(2);
      for (let moment = 0; moment < whole.length; moment += 1) await closeAt(scene, moment);
    }, 30_000);
  }

  it('also when it is closed twice: the second close, too, resolves when nothing runs any more', async () => {
    const peers = new Peers();
    const node = await peers.node(config);
    const { words } = node.bus.segment;
    void node.close();
    await node.close();
    const next = await peers.node(config);
    expect(words[Header.routerEpoch]).toBe(2);
    await next.close();
    await node.stopped;
  });
});

describe('two routers of one process', () => {
  it('do not both have a segment: the second is refused, or stands by', async () => {
    const peers = new Peers();
    const host = peers.host();
    const first = new BusNode(host, config, {});
    await first.start();
    const second = new BusNode(host, config, {});
    expect(
      await codeOf(() =>
        second.start().catch((error: unknown) => {
          throw error instanceof Error ? error.cause : error;
        }),
      ),
    ).toBe('IB_ROUTER_HELD');
    const third = new BusNode(host, standby, {});
    await third.start();
    expect([first.serving === undefined, third.serving === undefined]).toEqual([false, true]);
    await first.close();
    await expect.poll(() => third.serving?.segment.generation).toBe(1);
    await third.close();
  });
});
