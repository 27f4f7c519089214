import { afterEach, expect, it } from 'vitest';
import { attach } from '../../../src/engines/indexbus/attachments.ts';
import { SettingsCarrier } from '../../../src/engines/indexbus/carrySettings.ts';
import { formerSeat, join } from '../../../src/engines/indexbus/join.ts';
import { Seat } from '../../../src/engines/indexbus/layout.ts';
import { leave } from '../../../src/engines/indexbus/leave.ts';
import { buildSuccessor } from '../../../src/engines/indexbus/successor.ts';
import { Peers, peerSizes, subscription } from './support/peers.ts';

let peers: Peers;
afterEach(() => peers.end());

const place = { name: 'bus' };

it('who gives its seat in the next generation back, and takes it again later, is set as it was in the former one', async () => {
  peers = new Peers();
  const subscriptions = [subscription('work', { mode: 'workqueue' })];
  const { segment: old, runner } = await peers.router(place.name, { subscriptions });
  const host = peers.host();
  const at = { ...place, shm: host.shm };
  const was = await attach(host, at, 500);
  const consumer = { kind: 'consumer', name: 'c', subscription: 0, attachTimeoutMs: 500 } as const;
  const seat = await join(was, consumer);
  await runner.apply({ do: 'change-lane', lane: seat.place.number, change: { capacity: 5 } });
  const next = await buildSuccessor(at, old, peerSizes);
  const carrier = new SettingsCarrier(host, old, { segment: next, runner: peers.serve(next, host) });
  const to = await attach(host, at, 500);
  // As a consumer does that follows a roll, and finds that a mate has left it something in the former generation.
  const first = await join(to, { ...consumer, follows: formerSeat(was, seat) });
  await carrier.look();
  await leave(to, first, 1_000);
  const second = await join(to, { ...consumer, follows: formerSeat(was, seat) });
  expect(second.place.number).toBe(first.place.number);
  await carrier.look();
  expect(next.words[second.place.at + Seat.capacityOrRate]).toBe(5);
});
