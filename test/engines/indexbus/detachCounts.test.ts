import { afterEach, beforeEach, expect, it } from 'vitest';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { LaneCursor } from '../../../src/engines/indexbus/layout.ts';
import { seatPlace } from '../../../src/engines/indexbus/seatPlaces.ts';
import type { Segment } from '../../../src/engines/indexbus/segment.ts';
import { Peers } from './support/peers.ts';
import { smallRouter } from './support/smallRouter.ts';

const work = {
  name: 'work',
  topics: ['t'],
  mode: 'workqueue',
  lane: 'blocking',
  capacity: 32,
  detach_after_ms: 'none',
};
let peers: Peers;
beforeEach(() => {
  peers = new Peers();
});
afterEach(() => peers.end());

async function started(): Promise<BusNode> {
  const sizes = { lane_ring: 128, lanes_max: 4, slots_per_producer: 128 };
  return peers.node(smallRouter({ ...sizes, subscriptions: [work] }));
}

/** As the metric of this name has it, and as the runbook's counters have it. */
function counted(node: BusNode) {
  return { metric: node.tallies.detaches.stalled, counters: node.bus.counters.totals().detaches };
}

/** A router, and one after it; a consumer was sent away in between, and holds its seat still. */
async function afterARestart(between: (segment: Segment) => void = () => {}) {
  const first = await started();
  const { segment } = first.bus;
  await (await peers.bus()).consumer({ subscription: 'work' });
  await first.bus.runner.apply({ do: 'detach-lane', lane: 0, reason: 'stalled' });
  expect(counted(first)).toEqual({ metric: 1, counters: 1 });
  await first.close();
  between(segment);
  peers.logged.length = 0;
  return started();
}

it('a consumer that left before a router began is not counted again by it, nor told of', async () => {
  const second = await afterARestart();
  expect(counted(second)).toEqual({ metric: 0, counters: 0 });
  expect(peers.logged.filter(({ message }) => message === 'lane.detached')).toEqual([]);
});

it('one whose end its router began and did not write down counts once, in both counts', async () => {
  const second = await afterARestart((segment) => {
    segment.words[seatPlace(segment.layout, 'consumer', 0).cursors + LaneCursor.endingOrder] = 0;
  });
  expect(counted(second)).toEqual({ metric: 1, counters: 1 });
});
