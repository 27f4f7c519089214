import { CompressionTypes, type Consumer, Kafka, logLevel, type Message } from 'kafkajs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { eventually, type LocalCluster, startCluster } from './support/cluster.ts';

let cluster: LocalCluster;
let kafka: Kafka;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  cluster = await startCluster({ brokers: 3 });
  kafka = new Kafka({ clientId: 'kafkajs-test', brokers: cluster.bootstrap, logLevel: logLevel.NOTHING });
});
afterEach(async () => {
  // What a client meets while it leaves is not what is tested.
  await Promise.allSettled(closing.splice(0).map((close) => close()));
});
afterAll(async () => {
  await cluster?.stop();
});

async function topic(name: string, numPartitions = 1): Promise<string> {
  const admin = kafka.admin();
  await admin.connect();
  expect(await admin.createTopics({ topics: [{ topic: name, numPartitions, replicationFactor: 3 }] })).toBe(true);
  await admin.disconnect();
  return name;
}

async function send(name: string, messages: Message[], compression?: CompressionTypes): Promise<void> {
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: name, messages, ...(compression === undefined ? {} : { compression }) });
  await producer.disconnect();
}

interface Reading {
  readonly consumer: Consumer;
  readonly values: string[];
  readonly partitions: () => number[];
}

async function read(name: string, groupId: string, options: { readonly autoCommit?: boolean } = {}): Promise<Reading> {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 30_000, heartbeatInterval: 300, maxWaitTimeInMs: 100 });
  closing.push(() => consumer.disconnect());
  const values: string[] = [];
  // A member that was slow may get again what it had: that is the same message, not another one.
  const seen = new Set<string>();
  let assigned: number[] = [];
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    assigned = payload.memberAssignment[name] ?? [];
  });
  await consumer.connect();
  await consumer.subscribe({ topic: name, fromBeginning: true });
  await consumer.run({
    autoCommit: options.autoCommit ?? true,
    eachMessage: async ({ partition, message }) => {
      if (seen.has(`${partition}/${message.offset}`)) return;
      seen.add(`${partition}/${message.offset}`);
      values.push(message.value?.toString() ?? '');
    },
  });
  return { consumer, values, partitions: () => assigned };
}

test('kafkajs produces and consumes, with keys, headers and gzip', async () => {
  const name = await topic('plain', 2);
  await send(name, [{ key: 'a', value: 'one', headers: { h: 'x' } }, { key: 'b', value: 'two' }, { value: null }]);
  await send(
    name,
    Array.from({ length: 100 }, (_, n) => ({ value: `zipped ${n}` })),
    CompressionTypes.GZIP,
  );
  const { values } = await read(name, 'plain-readers');
  await eventually(
    () => values.length,
    (count) => count >= 103,
  );
  expect(new Set(values)).toEqual(new Set(['one', 'two', '', ...Array.from({ length: 100 }, (_, n) => `zipped ${n}`)]));
  expect(values.length).toBe(103);
});

test('kafkajs: two members share a group, and one takes all again when the other leaves', async () => {
  const name = await topic('shared', 4);
  const first = await read(name, 'shared-readers');
  await eventually(first.partitions, (owned) => owned.length === 4);
  const second = await read(name, 'shared-readers');
  await eventually(
    () => [first.partitions(), second.partitions()],
    ([one = [], two = []]) => one.length === 2 && two.length === 2,
  );
  expect([...first.partitions(), ...second.partitions()].sort()).toEqual([0, 1, 2, 3]);
  await send(
    name,
    Array.from({ length: 40 }, (_, n) => ({ value: `${n}`, partition: n % 4 })),
  );
  await eventually(
    () => [...first.values, ...second.values].length,
    (count) => count >= 40,
  );
  expect([...first.values, ...second.values].map(Number).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 40 }, (_, n) => n),
  );
  await second.consumer.disconnect();
  await eventually(first.partitions, (owned) => owned.length === 4);
});

test('kafkajs: a group goes on where it has committed', async () => {
  const name = await topic('resumed');
  await send(
    name,
    Array.from({ length: 10 }, (_, n) => ({ value: `${n}` })),
  );
  const first = await read(name, 'resuming', { autoCommit: false });
  await eventually(
    () => first.values.length,
    (count) => count === 10,
  );
  await first.consumer.commitOffsets([{ topic: name, partition: 0, offset: '6' }]);
  await first.consumer.disconnect();
  const second = await read(name, 'resuming');
  await eventually(
    () => second.values.length,
    (count) => count === 4,
  );
  expect(second.values).toEqual(['6', '7', '8', '9']);
});

test('kafkajs: an idempotent producer leaves each message once', async () => {
  const name = await topic('idempotent');
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 5 });
  closing.push(() => producer.disconnect());
  await producer.connect();
  await Promise.all(
    Array.from({ length: 50 }, (_, n) => producer.send({ topic: name, messages: [{ value: `${n}` }] })),
  );
  const { values } = await read(name, 'idempotent-readers');
  await eventually(
    () => values.length,
    (count) => count >= 50,
  );
  expect(values.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, n) => n));
});

test('kafkajs: what a transaction commits is seen with its offsets, what it aborts is not', async () => {
  const name = await topic('transacted', 2);
  const source = await topic('source');
  const producer = kafka.producer({ transactionalId: 'kafkajs-tx', idempotent: true, maxInFlightRequests: 1 });
  closing.push(() => producer.disconnect());
  await producer.connect();
  const aborted = await producer.transaction();
  await aborted.send({ topic: name, messages: [{ value: 'no', partition: 0 }] });
  await aborted.abort();
  for (const round of [1, 2]) {
    const transaction = await producer.transaction();
    await transaction.send({
      topic: name,
      messages: [
        { value: `yes ${round} a`, partition: 0 },
        { value: `yes ${round} b`, partition: 1 },
      ],
    });
    await transaction.sendOffsets({
      consumerGroupId: 'transacting',
      topics: [{ topic: source, partitions: [{ partition: 0, offset: `${round * 10}` }] }],
    });
    await transaction.commit();
  }
  const { values } = await read(name, 'transacted-readers');
  await eventually(
    () => values.length,
    (count) => count >= 4,
  );
  expect(values.sort()).toEqual(['yes 1 a', 'yes 1 b', 'yes 2 a', 'yes 2 b']);
  const admin = kafka.admin();
  closing.push(() => admin.disconnect());
  await admin.connect();
  const [offsets] = await admin.fetchOffsets({ groupId: 'transacting', topics: [source] });
  expect(offsets?.partitions[0]?.offset).toBe('20');
});

test('kafkajs administers: topics, partitions, settings, offsets, groups, records', async () => {
  const admin = kafka.admin();
  closing.push(() => admin.disconnect());
  await admin.connect();
  const name = await topic('administered', 2);
  expect(await admin.listTopics()).toContain(name);
  expect(await admin.createTopics({ topics: [{ topic: name }] })).toBe(false);
  await admin.createPartitions({ topicPartitions: [{ topic: name, count: 3 }] });
  const { topics } = await admin.fetchTopicMetadata({ topics: [name] });
  expect(topics[0]?.partitions.length).toBe(3);
  const cluster = await admin.describeCluster();
  expect(cluster.brokers.map(({ nodeId }) => nodeId).sort()).toEqual([1, 2, 3]);
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: 2, name, configEntries: [{ name: 'retention.ms', value: '86400000' }] }],
  });
  const described = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: 2, name, configNames: ['retention.ms'] }],
  });
  expect(described.resources[0]?.configEntries[0]).toMatchObject({
    configName: 'retention.ms',
    configValue: '86400000',
  });
  await send(
    name,
    Array.from({ length: 6 }, (_, n) => ({ value: `${n}`, partition: 0 })),
  );
  const offsets = await admin.fetchTopicOffsets(name);
  expect(offsets.find(({ partition }) => partition === 0)).toMatchObject({ low: '0', high: '6' });
  await admin.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset: '4' }] });
  const trimmed = await admin.fetchTopicOffsets(name);
  expect(trimmed.find(({ partition }) => partition === 0)).toMatchObject({ low: '4', high: '6' });
  const reader = await read(name, 'administered-readers');
  await eventually(
    () => reader.values.length,
    (count) => count === 2,
  );
  expect((await admin.listGroups()).groups.map(({ groupId }) => groupId)).toContain('administered-readers');
  const groups = await admin.describeGroups(['administered-readers']);
  expect(groups.groups[0]).toMatchObject({ state: 'Stable' });
  expect(groups.groups[0]?.members.length).toBe(1);
  await reader.consumer.disconnect();
  await eventually(
    async () => (await admin.describeGroups(['administered-readers'])).groups[0]?.state,
    (state) => state === 'Empty',
  );
  const committed = await admin.fetchOffsets({ groupId: 'administered-readers', topics: [name] });
  expect(committed[0]?.partitions.find(({ partition }) => partition === 0)?.offset).toBe('6');
  expect(await admin.deleteGroups(['administered-readers'])).toMatchObject([{ errorCode: 0 }]);
  await admin.deleteTopics({ topics: [name] });
  // Whichever broker is asked, it has it from the controller.
  await expect.poll(() => admin.listTopics()).not.toContain(name);
});

test('kafkajs goes on when the broker that leads is restarted', async () => {
  const name = await topic('surviving');
  const producer = kafka.producer({ idempotent: true, retry: { retries: 20, maxRetryTime: 1_000 } });
  closing.push(() => producer.disconnect());
  await producer.connect();
  const admin = kafka.admin();
  closing.push(() => admin.disconnect());
  await admin.connect();
  const { topics } = await admin.fetchTopicMetadata({ topics: [name] });
  const leader = topics[0]?.partitions[0]?.leader ?? 0;
  const sent: Promise<unknown>[] = [];
  for (let n = 0; n < 60; n++) {
    sent.push(producer.send({ topic: name, messages: [{ value: `${n}` }] }));
    if (n === 20) sent.push(cluster.restart(leader));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await Promise.all(sent);
  const { values } = await read(name, 'surviving-readers');
  await eventually(
    () => values.length,
    (count) => count >= 60,
  );
  expect(values.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, n) => n));
});

test('kafkajs notices nothing of a rolling restart: each message once, in order, none refused', async () => {
  const name = await topic('rolling', 3);
  const producer = kafka.producer({ idempotent: true, retry: { retries: 30, maxRetryTime: 1_000 } });
  closing.push(() => producer.disconnect());
  await producer.connect();
  const reader = await read(name, 'rolling-readers');
  let isOver = false;
  let sent = 0;
  const sending = (async () => {
    while (!isOver) {
      const partition = sent % 3;
      await producer.send({ topic: name, messages: [{ value: `${sent}`, partition }] });
      sent += 1;
    }
  })();
  for (const broker of [1, 2, 3]) await cluster.drainAndRestart(broker);
  isOver = true;
  await sending;
  await eventually(
    () => new Set(reader.values).size,
    (count) => count === sent,
    60_000,
  );
  const numbers = Array.from({ length: sent }, (_, n) => n);
  expect([...new Set(reader.values)].map(Number).sort((a, b) => a - b)).toEqual(numbers);
  const again = await read(name, 'rolling-checkers');
  await eventually(
    () => again.values.length,
    (count) => count >= sent,
  );
  for (const partition of [0, 1, 2]) {
    const own = again.values.map(Number).filter((value) => value % 3 === partition);
    expect(own).toEqual(numbers.filter((value) => value % 3 === partition));
  }
});
