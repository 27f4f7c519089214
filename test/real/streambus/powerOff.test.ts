import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { type BrokerCluster, startBrokerCluster, untilReady } from '../../support/brokerCluster.ts';
import { anomaliesOf } from './support/killing.ts';
import { partitionsOf } from './support/leaders.ts';
import { type Load, startLoad } from './support/load.ts';

let cluster: BrokerCluster | undefined;
let load: Load | undefined;

afterEach(async () => {
  await load?.abandon();
  await cluster?.stop();
  load = undefined;
  cluster = undefined;
});

test('what is acknowledged outlives all brokers killed at once', async () => {
  const running = await startBrokerCluster(3);
  cluster = running;
  load = await startLoad({ bootstrap: running.bootstrap });
  await load.nextAcknowledged(load.keys, 30_000);
  await sleep(1_000);
  await Promise.all([1, 2, 3].map((broker) => running.kill(broker)));
  await Promise.all([1, 2, 3].map((broker) => running.start(broker)));
  await Promise.all([1, 2, 3].map((broker) => untilReady(running.http(broker))));
  await load.nextAcknowledged(load.keys, 30_000);
  const outcome = await load.finish();
  expect(anomaliesOf(outcome)).toEqual([]);
  expect(outcome.failures).toEqual([]);
  expect(outcome.acknowledged).toBeGreaterThan(100);
});

test('a leader that was stopped beyond its time-outs steps down when it goes on, and acknowledges nothing stale', async () => {
  cluster = await startBrokerCluster(3);
  load = await startLoad({ bootstrap: cluster.bootstrap });
  await load.nextAcknowledged(load.keys, 30_000);
  const { keys } = load;
  const written = async (askedOf: number) =>
    (await partitionsOf(cluster as BrokerCluster, askedOf)).filter(
      (
        { topic, partition }, // set above
      ) => keys.includes(`${topic}/${partition}`),
    );
  const victim = (await written(1))[0]?.leader ?? 1;
  const led = (await written(victim)).filter(({ leader }) => leader === victim);
  expect(led.length).toBeGreaterThan(0);
  cluster.process(victim).signal('SIGSTOP');
  try {
    // Others lead what it led, and clients have found them.
    await load.nextAcknowledged(keys, 30_000);
  } finally {
    cluster.process(victim).signal('SIGCONT');
  }
  const after = await written(victim);
  for (const { topic, partition } of led) {
    const now = after.find((one) => one.topic === topic && one.partition === partition);
    expect({ topic, partition, leader: now?.leader }).not.toEqual({ topic, partition, leader: victim });
  }
  await load.nextAcknowledged(keys, 30_000);
  const outcome = await load.finish();
  expect(anomaliesOf(outcome)).toEqual([]);
  expect(outcome.failures).toEqual([]);
});
