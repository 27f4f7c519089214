import {
  Admin,
  Consumer,
  type ConsumerOptions,
  MessagesStreamModes,
  Producer,
  type ProducerOptions,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { eventually, type LocalCluster, startCluster } from './support/cluster.ts';

type TextProducer = Producer<string, string, string, string>;
type TextConsumer = Consumer<string, string, string, string>;

let cluster: LocalCluster;
const closing: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  cluster = await startCluster({ brokers: 3 });
});
afterEach(async () => {
  // What a client meets while it leaves is not what is tested.
  await Promise.allSettled(closing.splice(0).map((close) => close()));
});
afterAll(async () => {
  await cluster?.stop();
});

function producerOf(options: Partial<ProducerOptions<string, string, string, string>> = {}): TextProducer {
  const producer = new Producer<string, string, string, string>({
    clientId: 'platformatic-test',
    bootstrapBrokers: cluster.bootstrap,
    serializers: stringSerializers,
    autocreateTopics: false,
    ...options,
  });
  closing.push(() => producer.close());
  return producer;
}

function consumerOf(
  groupId: string,
  options: Partial<ConsumerOptions<string, string, string, string>> = {},
): TextConsumer {
  const consumer = new Consumer<string, string, string, string>({
    clientId: 'platformatic-test',
    groupId,
    bootstrapBrokers: cluster.bootstrap,
    deserializers: stringDeserializers,
    sessionTimeout: 30_000,
    heartbeatInterval: 300,
    maxWaitTime: 100,
    ...options,
  });
  closing.push(() => consumer.close(true));
  return consumer;
}

async function read(
  consumer: TextConsumer,
  name: string,
  mode: 'earliest' | 'committed' = MessagesStreamModes.EARLIEST,
  autocommit = true,
) {
  const values: string[] = [];
  // A member that was slow may get again what it had: that is the same message, not another one.
  const seen = new Set<string>();
  const stream = await consumer.consume({
    topics: [name],
    mode,
    ...(mode === 'committed' ? { fallbackMode: 'earliest' } : {}),
    autocommit,
  });
  stream.on('data', ({ partition, offset, value }) => {
    if (seen.has(`${partition}/${offset}`)) return;
    seen.add(`${partition}/${offset}`);
    values.push(value);
  });
  // An error of the stream is one of the test: nobody else listens.
  stream.on('error', (error) => {
    values.push(`error: ${error.message}`);
  });
  return { values, stream };
}

function adminOf(): Admin {
  const admin = new Admin({ clientId: 'platformatic-test', bootstrapBrokers: cluster.bootstrap });
  closing.push(() => admin.close());
  return admin;
}

async function topic(name: string, partitions = 1): Promise<string> {
  const [made] = await adminOf().createTopics({ topics: [name], partitions, replicas: 3 });
  expect(made).toMatchObject({ name, partitions, replicas: 3 });
  return name;
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n}`);

test('platformatic produces with every codec and consumes', async () => {
  const name = await topic('codecs', 2);
  const producer = producerOf();
  const expected: string[] = [];
  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
    const values = numbers(30).map((n) => `${compression} ${n} ${'x'.repeat(50)}`);
    expected.push(...values);
    await producer.send({
      messages: values.map((value, n) => ({
        topic: name,
        partition: n % 2,
        key: compression,
        value,
        headers: { h: 'x' },
      })),
      compression,
    });
  }
  const { values } = await read(consumerOf('codec-readers'), name);
  await eventually(
    () => values.length,
    (count) => count >= expected.length,
  );
  expect(values.sort()).toEqual(expected.sort());
});

test('platformatic: two members share a group, and one takes all again when the other leaves', async () => {
  const name = await topic('shared', 4);
  const first = consumerOf('shared-readers');
  const second = consumerOf('shared-readers');
  const owned = (consumer: TextConsumer): number[] =>
    (consumer.assignments ?? []).flatMap((one) => (one.topic === name ? one.partitions : []));
  const one = await read(first, name, 'committed');
  await eventually(
    () => owned(first),
    (partitions) => partitions.length === 4,
  );
  const two = await read(second, name, 'committed');
  await eventually(
    () => [owned(first), owned(second)],
    ([left = [], right = []]) => left.length === 2 && right.length === 2,
  );
  const producer = producerOf();
  await producer.send({ messages: numbers(40).map((value, n) => ({ topic: name, partition: n % 4, value })) });
  await eventually(
    () => new Set([...one.values, ...two.values]).size,
    (count) => count >= 40,
  );
  await two.stream.close();
  await second.leaveGroup();
  await eventually(
    () => owned(first),
    (partitions) => partitions.length === 4,
  );
});

test('platformatic: a group goes on where it has committed', async () => {
  const name = await topic('resumed');
  await producerOf().send({ messages: numbers(10).map((value) => ({ topic: name, value })) });
  const first = consumerOf('resuming');
  const one = await read(first, name, 'committed', false);
  await eventually(
    () => one.values.length,
    (count) => count === 10,
  );
  await first.commit({ offsets: [{ topic: name, partition: 0, offset: 6n, leaderEpoch: 0 }] });
  await first.close(true);
  const two = await read(consumerOf('resuming'), name, 'committed');
  await eventually(
    () => two.values.length,
    (count) => count >= 4,
  );
  expect(two.values).toEqual(['6', '7', '8', '9']);
});

test('platformatic: an idempotent producer leaves each message once', async () => {
  const name = await topic('idempotent');
  const producer = producerOf({ idempotent: true });
  for (const value of numbers(50)) await producer.send({ messages: [{ topic: name, value }] });
  const { values } = await read(consumerOf('idempotent-readers'), name);
  await eventually(
    () => values.length,
    (count) => count >= 50,
  );
  expect(values).toEqual(numbers(50));
});

test('platformatic: what a transaction commits is seen with its offsets, what it aborts is not', async () => {
  const name = await topic('transacted', 2);
  const source = await topic('source');
  await producerOf().send({ messages: numbers(3).map((value) => ({ topic: source, value })) });
  const reader = consumerOf('transacting');
  const stream = await reader.consume({ topics: [source], mode: 'earliest', autocommit: false });
  const producer = producerOf({ idempotent: true, transactionalId: 'platformatic-tx' });
  const aborted = await producer.beginTransaction();
  await aborted.send({ messages: [{ topic: name, partition: 0, value: 'no' }] });
  await aborted.abort();
  let count = 0;
  for await (const message of stream) {
    const transaction = await producer.beginTransaction();
    await transaction.addConsumer(reader);
    await transaction.send({ messages: [{ topic: name, partition: count % 2, value: `yes ${message.value}` }] });
    await transaction.addOffset(message);
    await transaction.commit();
    if (++count === 3) break;
  }
  const { values } = await read(consumerOf('transacted-readers', { isolationLevel: 1 }), name);
  await eventually(
    () => values.length,
    (seen) => seen >= 3,
  );
  expect(values.sort()).toEqual(['yes 0', 'yes 1', 'yes 2']);
  const committed = await reader.listCommittedOffsets({ topics: [{ topic: source, partitions: [0] }] });
  expect(committed.get(source)).toEqual([3n]);
});

test('platformatic administers: topics, partitions, settings, quotas, groups, offsets, directories', async () => {
  const admin = adminOf();
  const name = await topic('administered', 2);
  expect(await admin.listTopics()).toContain(name);
  await expect(admin.createTopics({ topics: [name] })).rejects.toThrow();
  await admin.createPartitions({ topics: [{ name, count: 3, assignments: [] }] });
  const metadata = await admin.metadata({ topics: [name], forceUpdate: true });
  expect(metadata.topics.get(name)?.partitions.length).toBe(3);
  await admin.incrementalAlterConfigs({
    resources: [
      {
        resourceType: 2,
        resourceName: name,
        configs: [{ name: 'retention.ms', configOperation: 0, value: '86400000' }],
      },
    ],
  });
  const described = await admin.describeConfigs({
    resources: [{ resourceType: 2, resourceName: name, configurationKeys: ['retention.ms'] }],
  });
  expect(described[0]?.configs[0]).toMatchObject({ name: 'retention.ms', value: '86400000' });
  await admin.alterClientQuotas({
    entries: [
      {
        entities: [{ entityType: 'client-id', entityName: 'somebody' }],
        ops: [{ key: 'producer_byte_rate', value: 1_000_000, remove: false }],
      },
    ],
  });
  const quotas = await admin.describeClientQuotas({
    components: [{ entityType: 'client-id', matchType: 0, match: 'somebody' }],
  });
  expect(quotas[0]?.values).toMatchObject([{ key: 'producer_byte_rate', value: 1_000_000 }]);
  await producerOf().send({ messages: numbers(6).map((value) => ({ topic: name, partition: 0, value })) });
  const offsets = await admin.listOffsets({
    topics: [{ name, partitions: [{ partitionIndex: 0, timestamp: -1n }] }],
  });
  expect(offsets[0]?.partitions[0]).toMatchObject({ offset: 6n });
  await admin.deleteRecords({ topics: [{ name, partitions: [{ partition: 0, offset: 4n }] }] });
  const reader = consumerOf('administered-readers');
  const { values, stream } = await read(reader, name, 'committed');
  await eventually(
    () => values.length,
    (count) => count >= 2,
  );
  expect(values).toEqual(['4', '5']);
  expect([...(await admin.listGroups()).keys()]).toContain('administered-readers');
  const groups = await admin.describeGroups({ groups: ['administered-readers'] });
  expect(groups.get('administered-readers')?.members.size).toBe(1);
  await stream.close();
  await reader.close(true);
  await eventually(
    async () => (await admin.describeGroups({ groups: ['administered-readers'] })).get('administered-readers')?.state,
    (state) => state === 'Empty',
  );
  await admin.deleteGroups({ groups: ['administered-readers'] });
  const directories = await admin.describeLogDirs({ topics: [{ name, partitions: [0, 1, 2] }] });
  expect(directories.length).toBe(3);
  await admin.deleteTopics({ topics: [name] });
  expect(await admin.listTopics()).not.toContain(name);
});
