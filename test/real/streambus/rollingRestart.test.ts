import { Kafka, logLevel } from 'kafkajs';
import { afterEach, expect, test } from 'vitest';
import { type BrokerCluster, startBrokerCluster, untilReady } from '../../support/brokerCluster.ts';
import { eventually } from './support/cluster.ts';
import { anomaliesOf, middleAndWorst } from './support/killing.ts';
import { untilInSync } from './support/leaders.ts';
import { type Load, startLoad } from './support/load.ts';

let cluster: BrokerCluster | undefined;
let load: Load | undefined;
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
  await load?.abandon();
  await cluster?.stop();
});

/** A member of a group, that remembers what it was given. */
async function member(bootstrap: readonly string[], topics: readonly string[]): Promise<ReadonlySet<string>> {
  const kafka = new Kafka({
    brokers: [...bootstrap],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 1_000,
    retry: { initialRetryTime: 50, maxRetryTime: 300, retries: 200 },
  });
  const consumer = kafka.consumer({
    groupId: 'along',
    sessionTimeout: 10_000,
    heartbeatInterval: 500,
    maxWaitTimeInMs: 100,
  });
  closing.push(() => consumer.disconnect());
  const seen = new Set<string>();
  await consumer.connect();
  await consumer.subscribe({ topics: [...topics], fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ topic, partition, message }) => {
      seen.add(`${topic}/${partition} ${message.offset}`);
    },
  });
  return seen;
}

test('a rolling restart under load: every lead is handed over, no client sees an error, a group goes on', async () => {
  cluster = await startBrokerCluster(3);
  load = await startLoad({ bootstrap: cluster.bootstrap });
  await load.nextAcknowledged(load.keys, 30_000);
  const topics = [...new Set(load.keys.map((key) => key.split('/')[0] ?? ''))];
  const members = [await member(cluster.bootstrap, topics), await member(cluster.bootstrap, topics)];
  const waits: number[] = [];
  for (const broker of [1, 2, 3]) {
    const began = performance.now();
    await cluster.kill(broker, 'SIGTERM');
    expect(await cluster.process(broker).exited).toEqual({ code: 0, signal: null });
    waits.push(...(await load.nextAcknowledged(load.keys, 15_000, began)).values());
    await cluster.start(broker);
    await untilReady(cluster.http(broker));
    await untilInSync(cluster);
  }
  await load.nextAcknowledged(load.keys, 15_000);
  const outcome = await load.finish();
  console.log(
    `rolling restart: ${outcome.acknowledged} values acknowledged, worst wait for one from the signal on ${middleAndWorst(waits).worst.toFixed(0)} ms`,
  );
  expect(outcome.failures).toEqual([]);
  expect(anomaliesOf(outcome)).toEqual([]);
  const read = () => new Set(members.flatMap((seen) => [...seen])).size;
  await eventually(read, (count) => count >= outcome.acknowledged);
});
