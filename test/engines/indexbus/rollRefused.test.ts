import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { Header, SegmentState } from '../../../src/engines/indexbus/layout.ts';
import { Point } from '../../../src/engines/indexbus/points.ts';
import { openSegment } from '../../../src/engines/indexbus/segment.ts';
import type { Host } from '../../../src/host/host.ts';
import { SharedMemoryError } from '../../../src/host/sharedMemory.ts';
import { codeOf, Peers } from './support/peers.ts';
import { smallRouter } from './support/smallRouter.ts';

const config = smallRouter({
  lane_ring: 128,
  lanes_max: 4,
  subscriptions: [{ name: 'all', topics: ['>'], capacity: 64 }],
});

/** Names of what the router makes, and how many regions it has open. */
class WatchedMemory {
  readonly made: string[] = [];
  open = 0;
  /** Throws where a call or a step of the router shall fail. */
  before: (what: string) => void = () => {};

  watch(host: Host): Host {
    const { shm } = host;
    const open: typeof shm.open = async (name, bytes, options) => {
      this.before(`open ${name}`);
      const region = await shm.open(name, bytes, options);
      if (options.mode === 'create-new') this.made.push(name);
      this.open += 1;
      const step = (point: number): void => this.before(`point ${point}`);
      const close = (): void => {
        this.open -= 1;
        region.close();
      };
      return { ...region, step, close };
    };
    const rename: typeof shm.rename = async (from, to, options) => {
      this.before(`rename ${from}`);
      await shm.rename(from, to, options);
      this.before(`renamed ${from}`);
    };
    return { ...host, shm: { ...shm, open, rename } };
  }
}

let peers: Peers;
let memory: WatchedMemory;
let node: BusNode;
beforeEach(async () => {
  peers = new Peers();
  memory = new WatchedMemory();
  node = await peers.node(config, memory.watch(peers.host()));
});
afterEach(() => peers.end());

/** What there is by name: the generation and its state, and what a builder leaves. */
async function names() {
  const { shm } = peers.host();
  const { words, generation, region } = await openSegment({ shm, name: 'bus' });
  const state = Atomics.load(words, Header.state);
  region.close();
  return { generation, state, building: await shm.stat('bus.building'), former: await shm.stat('bus.former') };
}

const untouched = { generation: 1, state: SegmentState.open, building: undefined, former: undefined };

describe('a roll that is refused', () => {
  it('makes no memory where a subscription does not fit the new sizes', async () => {
    const { open } = memory;
    memory.made.splice(0);
    for (let turn = 0; turn < 3; turn += 1) {
      expect(await codeOf(() => node.roll({ lane_ring: 64 }))).toBe('IB_NEEDS_ROLL');
    }
    expect([memory.made, memory.open - open]).toEqual([[], 0]);
    expect(await names()).toEqual(untouched);
  });

  it.each([
    `point ${Point.buildSegment}`,
    `point ${Point.keepFormer}`,
    'rename bus',
    `point ${Point.publishSegment}`,
    'rename bus.building',
    // It tells of a failure, and has changed the name all the same.
    'renamed bus',
    'renamed bus.building',
  ])('leaves nothing behind where it fails at: %s', async (failing) => {
    const { open } = memory;
    let failed = 0;
    memory.before = (what) => {
      if (what !== failing || failed > 0) return;
      failed += 1;
      throw new SharedMemoryError('ENOSPC', 'build', 'bus', 'no more of anything');
    };
    await expect(node.roll({ slot_bytes: 128 })).rejects.toThrow('no more of anything');
    expect(failed).toBe(1);
    expect(memory.open - open).toBe(0);
    expect(await names()).toEqual(untouched);
    await node.roll({ slot_bytes: 128 });
    await expect.poll(() => node.serving?.segment.generation, { timeout: 5_000 }).toBe(2);
  });

  it('that cannot put the name back leaves that to the next one', async () => {
    let failed = 0;
    memory.before = (what) => {
      if (what !== 'renamed bus' && (what !== 'rename bus.former' || failed > 1)) return;
      failed += 1;
      throw new SharedMemoryError('EMFILE', 'rename', 'bus', 'no descriptor left');
    };
    await expect(node.roll({ slot_bytes: 128 })).rejects.toThrow('no descriptor left');
    expect(failed).toBe(2);
    memory.before = () => {};
    await node.roll({ slot_bytes: 128 });
    await expect.poll(() => node.serving?.segment.generation, { timeout: 5_000 }).toBe(2);
  });
});
