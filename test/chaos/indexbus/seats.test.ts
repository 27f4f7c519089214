import { expect, test } from 'vitest';
import type { IndexBusDraw } from '../../../src/chaos/indexbus/draw.ts';
import { chaosDefinitions } from '../../../src/chaos/registry.ts';
import { plainDraw } from '../../../src/chaos/runId.ts';

interface Drawn {
  readonly cluster: { readonly config: { readonly lanes_max?: number; readonly no_subscriber: string } };
  readonly load: { readonly consumers: Readonly<Record<string, { readonly subscription: string }>> };
}

const indexbus = chaosDefinitions.get('indexbus');
if (indexbus === undefined) throw new Error('chaos knows indexbus');
const draws = Array.from({ length: 200 }, (_, index) => plainDraw(indexbus, index + 1));

test('should draw as many seats as consumers, or one fewer where nobody waits for a consumer without a seat', () => {
  const missing = new Set<number | undefined>();
  for (const draw of draws) {
    const { cluster, load } = indexbus.scenarioOf(draw) as unknown as Drawn; // as scenarioOf makes it
    const { lanes_max: seats, no_subscriber: unwanted } = cluster.config;
    const consumers = Object.keys(load.consumers).length;
    missing.add(seats === undefined ? undefined : consumers - seats);
    if (unwanted === 'hold' && seats !== undefined) expect(seats).toBe(consumers);
  }
  expect(missing).toEqual(new Set([undefined, 0, 1]));
});

test('should draw deaths in keyed groups that block, with several consumers and no seat to spare', () => {
  const drawn = draws as unknown as readonly IndexBusDraw[]; // as its definition draws them
  const there = drawn.filter(
    ({ sizes, subscriptions, faults }) =>
      sizes.seats !== 'many' &&
      faults.some(({ entry }) => entry === 'deaths in a group') &&
      subscriptions.some((it) => it.mode === 'keyed' && it.blocking && it.consumers > 1),
  );
  expect(there.length).toBeGreaterThan(8);
});

test('should give rings as many places as lanes need where a fault is about rings that batches go round in', () => {
  const drawn = draws as unknown as readonly IndexBusDraw[]; // as its definition draws them
  const there = drawn.filter(({ faults }) => faults.some(({ entry }) => entry === 'rings gone round'));
  expect(there.length).toBeGreaterThan(8);
  for (const draw of there) {
    const { cluster } = indexbus.scenarioOf(draw) as unknown as Sized; // as scenarioOf makes it
    const most = Math.max(...cluster.config.subscriptions.map(({ capacity }) => capacity));
    expect(cluster.config.lane_ring).toBe(2 * most);
  }
});

interface Sized {
  readonly cluster: {
    readonly config: { readonly lane_ring: number; readonly subscriptions: readonly { readonly capacity: number }[] };
  };
}
