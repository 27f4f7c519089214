import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Bus } from '../../../src/engines/indexbus/bus.ts';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { ask } from './support/asking.ts';
import { Peers } from './support/peers.ts';
import { smallRouter } from './support/smallRouter.ts';

let peers: Peers;
let node: BusNode;
let bus: Bus;
beforeEach(async () => {
  peers = new Peers();
  const subscriptions = [{ name: 'all', topics: ['>'], capacity: 16 }];
  node = await peers.node(smallRouter({ lane_ring: 64, lanes_max: 4, slots_per_producer: 256, subscriptions }));
  bus = await peers.bus();
});
afterEach(() => peers.end());

const consumers = async (...names: readonly string[]): Promise<void> => {
  for (const name of names) await bus.consumer({ subscription: 'all', name });
};
/** The state of each lane, by its number. */
const states = async (): Promise<readonly string[]> =>
  (await ask(node, 'GET', '/lanes')).body.map((it: { readonly state: string }) => it.state);

describe('a seat that an operator names', () => {
  it('by its number is that seat, whatever others are called', async () => {
    await consumers('1', 'other');
    const answer = await ask(node, 'POST', '/lanes/1/detach');
    expect(answer).toMatchObject({ status: 202, body: { lane_number: 1, name: 'other' } });
    expect((await states())[0]).toBe('live');
    await bus.producer({ name: '1' });
    await bus.producer({ name: 'feed' });
    const limited = await ask(node, 'PATCH', '/producers/1', { rate_limit: 10 });
    expect(limited).toMatchObject({ status: 200, body: { seat: 1, name: 'feed', rate_limit: 10 } });
    const fenced = await ask(node, 'POST', '/producers/1/fence');
    expect(fenced).toMatchObject({ status: 202, body: { seat: 1, name: 'feed' } });
  });

  it('by a number that nobody has is none, though somebody is called so', async () => {
    await consumers('3');
    const answer = await ask(node, 'POST', '/lanes/3/detach');
    expect(answer).toMatchObject({ status: 404, body: { error: { expected: '0 (3)', got: '3' } } });
    expect(await states()).toEqual(['live']);
  });

  it('by the name of several is none: their numbers are told', async () => {
    await consumers('twin', 'other', 'twin');
    const answer = await ask(node, 'PATCH', '/lanes/twin', { capacity: 4 });
    expect(answer).toMatchObject({
      status: 409,
      body: { error: { code: 'AMBIGUOUS', expected: 'one of 0 (twin), 2 (twin)', got: 'twin' } },
    });
    expect((await ask(node, 'PATCH', '/lanes/2', { capacity: 4 })).body).toMatchObject({ name: 'twin', capacity: 4 });
  });

  it('by the name of one who lives is that one: who has lost a seat may have come back under its name', async () => {
    await consumers('phoenix');
    await ask(node, 'POST', '/lanes/phoenix/detach');
    await consumers('phoenix');
    const answer = await ask(node, 'PATCH', '/lanes/phoenix', { capacity: 4 });
    expect(answer).toMatchObject({ status: 200, body: { lane_number: 1, capacity: 4 } });
  });
});
