import { afterEach, beforeEach, expect, it } from 'vitest';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { Peers } from './support/peers.ts';
import { generation, holdingUp, mortalConsumer, workAndAll } from './support/rolled.ts';
import { smallRouter } from './support/smallRouter.ts';

let peers: Peers;
let node: BusNode;
beforeEach(async () => {
  peers = new Peers();
  node = await peers.node(smallRouter(workAndAll));
  // A generation has locks of its own: those of the first one tell of nobody later.
  await node.roll({ lanes_max: 5 });
  await expect.poll(() => generation(node)).toBe(2);
});
afterEach(() => peers.end());

it('a consumer that dies while the segment is rolled is proven dead, also where the next generation has somebody on the seat of its number', async () => {
  const { goOn, producer } = await holdingUp(peers);
  const mortal = await mortalConsumer(peers);
  await producer.close();
  await node.roll({ slot_bytes: 128 });
  await expect.poll(() => node.rolling()?.waits_for).toBe('consumers');
  mortal.die();
  // At once, before anybody has looked: the seat of the first one's number is that of the one who holds the roll up.
  await (await peers.bus()).consumer({ subscription: 'all', name: 'comes now' });
  await expect.poll(() => ends('mortal')).toHaveLength(1);
  expect(ends('mortal')).toMatchObject([{ reason: 'dead', proof: 'lock and process' }]);
  expect(peers.logged.map(({ message }) => message)).not.toContain('holder doubtful');
  goOn();
  await expect.poll(() => node.rolling(), { timeout: 8_000 }).toBe(undefined);
});

function ends(name: string): readonly unknown[] {
  const detached = peers.logged.filter(({ message }) => message === 'lane.detached').map(({ fields }) => fields);
  return detached.filter((fields) => JSON.stringify(fields).includes(`"name":"${name}"`));
}
