import { expect, test } from 'vitest';
import type { Connection } from '../../../src/host/network.ts';
import { Brokers } from './broker/brokers.ts';

async function three(): Promise<Brokers> {
  const brokers = new Brokers({ seed: 3 });
  brokers.start();
  await brokers.until('three brokers', () => brokers.ready.size === 3);
  return brokers;
}

/** Drains a broker; resolves to when it no longer led anything, when its client was cut off, and when it had ended. */
async function drained(brokers: Brokers, broker: number, connection: Connection | undefined) {
  const bus = brokers.bus(broker);
  const from = brokers.world.now;
  const leads = () => [...bus.runtime.all].some(({ spec }) => bus.runtime.view(spec.group)?.status.state === 'leader');
  const at: { given?: number; cut?: number; ended?: number } = {};
  let unfinished: readonly string[] | undefined;
  void connection?.closed.then(() => {
    at.cut = brokers.world.now - from;
  });
  void bus.drain().then((answer) => {
    at.ended = brokers.world.now - from;
    ({ unfinished } = answer);
  });
  await brokers.until('leads given away', () => !leads());
  at.given = brokers.world.now - from;
  await brokers.until('drained', () => at.ended !== undefined);
  expect(unfinished).toEqual([]);
  return { given: at.given, cut: at.cut ?? Number.NaN, ended: at.ended ?? Number.NaN };
}

test('a broker that drains answers its clients for three seconds after its last lead has gone', async () => {
  const brokers = await three();
  const broker = brokers.leaderOf(0) ?? 1;
  const connection = await brokers.client((host) => host.network.connect({ host: `broker-${broker}`, port: 9092 }));
  // Whoever does not read hears nothing of the end.
  void (async () => {
    while ((await connection.read()) !== undefined);
  })();
  const { given, cut, ended } = await drained(brokers, broker, connection);
  expect(cut - given).toBeGreaterThan(2_500);
  expect(ended - given).toBeLessThan(5_000);
});

test('a broker without clients does not wait for any', async () => {
  const brokers = await three();
  const { given, ended } = await drained(brokers, 2, undefined);
  expect(ended - given).toBeLessThan(1_000);
});
