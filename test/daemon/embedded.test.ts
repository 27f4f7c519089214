import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { afterEach, expect, test } from 'vitest';
import { type StartEmbeddedOptions, startEmbedded } from '../../src/daemon/embedded.ts';
import type { ConsumedRecord } from '../../src/engines/streambus/client/consumer.ts';
import type { Embedded } from '../../src/engines/streambus/embedded.ts';

const ending: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0)) await end();
});

async function start(options: StartEmbeddedOptions = {}): Promise<Embedded> {
  const bus = await startEmbedded(options);
  ending.push(() => bus.stop());
  return bus;
}

async function readAll(bus: Embedded, topic: string, count: number): Promise<string[]> {
  const consumer = bus.client.consumer({ offsetReset: 'earliest' });
  consumer.assign([{ topic, partition: 0 }]);
  const records: ConsumedRecord[] = [];
  const until = performance.now() + 20_000;
  while (records.length < count) {
    if (performance.now() > until) throw new Error(`read ${records.length} of ${count} records`);
    records.push(...(await consumer.poll(100)));
  }
  return records.map(({ value }) => new TextDecoder().decode(value ?? new Uint8Array()));
}

test('one broker in memory is ready soon, and any client can use it', async () => {
  await (await startEmbedded()).stop();
  const began = performance.now();
  const bus = await start({ topics: { orders: 1 } });
  const readyMs = performance.now() - began;
  console.log(`ready after ${readyMs.toFixed(0)} ms`);
  // 300 ms on a machine that does nothing else.
  expect(readyMs).toBeLessThan(1_500);
  const kafka = new Kafka({ brokers: [...bus.bootstrap], logLevel: logLevel.NOTHING });
  const producer = kafka.producer();
  ending.unshift(() => producer.disconnect());
  await producer.connect();
  await producer.send({ topic: 'orders', messages: [{ value: 'one' }, { value: 'two' }] });
  expect(await readAll(bus, 'orders', 2)).toEqual(['one', 'two']);
});

test('what is acknowledged survives a kill and a restart, in memory and in a directory', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'hotfire-embedded-'));
  ending.push(() => rmSync(directory, { recursive: true }));
  for (const disk of ['memory', directory]) {
    const bus = await startEmbedded({ disk, topics: { orders: 1 } });
    ending.unshift(() => bus.stop());
    const producer = bus.client.producer();
    await producer.send({ topic: 'orders', partition: 0, value: 'kept' });
    await bus.kill(1);
    await expect(bus.kill(1)).rejects.toThrow('does not run');
    await bus.restart(1);
    expect(await readAll(bus, 'orders', 1)).toEqual(['kept']);
  }
});

test('of three brokers the majority of a partition goes on, and the other joins it again', async () => {
  const bus = await start({ brokers: 3, topics: { orders: 1 }, seed: 7 });
  const producer = bus.client.producer();
  await producer.send({ topic: 'orders', partition: 0, value: 'before' });
  const leaderOf = async () => {
    await bus.client.cluster.refresh(['orders']);
    return bus.client.cluster.knownTopic('orders')?.partitions.get(0)?.leader ?? -1;
  };
  const leader = await leaderOf();
  const others = [1, 2, 3].filter((id) => id !== leader);
  const heal = bus.partition([[leader], others]);
  await producer.send({ topic: 'orders', partition: 0, value: 'between' });
  const group = bus.broker(others[0] ?? 0).metadata.topics.get('orders')?.partitions[0]?.group ?? -1;
  expect(others).toContain(bus.broker(others[0] ?? 0).runtime.leaderOf(group)?.broker);
  heal();
  await producer.send({ topic: 'orders', partition: 0, value: 'after' });
  await bus.kill(others[0] ?? 0);
  await producer.send({ topic: 'orders', partition: 0, value: 'with the one that was cut off' });
  expect(await readAll(bus, 'orders', 4)).toEqual(['before', 'between', 'after', 'with the one that was cut off']);
});
