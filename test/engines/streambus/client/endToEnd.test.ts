import { describe, expect, it } from 'vitest';
import type { ConsumedRecord, Consumer } from '../../../../src/engines/streambus/client/consumer.ts';
import type { TopicPartition } from '../../../../src/engines/streambus/client/consumerProtocol.ts';
import { withBrokers } from '../support/brokers.ts';
import { failureOf } from './failureOf.ts';

const decoder = new TextDecoder();
const textOf = ({ value }: ConsumedRecord): string => (value === null ? '' : decoder.decode(value));
const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;
const numbers = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n}`);

async function read(consumer: Consumer, count: number): Promise<string[]> {
  const values: string[] = [];
  while (values.length < count) values.push(...(await consumer.poll(1_000)).map(textOf));
  return values;
}

describe('client and brokers', () => {
  it.each([1, 3])('should carry records through %i brokers', async (brokers) => {
    await withBrokers(
      async ({ connect }) => {
        const client = connect();
        await client.admin.createTopics([{ name: 't', partitions: 2 }]);
        const producer = client.producer();
        const sent = await Promise.all(
          ['a', 'b', 'c'].map((value) => producer.send({ topic: 't', partition: 1, value })),
        );
        expect(sent.map(({ offset }) => offset)).toEqual([0, 1, 2]);
        const consumer = client.consumer({ group: { groupId: 'g' } });
        consumer.assign([{ topic: 't', partition: 1 }]);
        expect(await read(consumer, 3)).toEqual(['a', 'b', 'c']);
        await consumer.commit();
        expect(await client.admin.groupOffsets('g')).toMatchObject([{ topic: 't', partition: 1, offset: 3 }]);
      },
      { brokers },
    );
  });

  it('should keep every record once and in order while leaders die', async () => {
    await withBrokers(
      async ({ host, connect, kill, start }) => {
        const client = connect({ requestTimeoutMs: 3_000 });
        await client.admin.createTopics([{ name: 't', partitions: 1 }]);
        const producer = client.producer({ deliveryTimeoutMs: 120_000 });
        const sent: Promise<unknown>[] = [];
        for (let round = 0; round < 3; round++) {
          for (let n = 0; n < 50; n++) {
            sent.push(producer.send({ topic: 't', partition: 0, value: `${round * 50 + n}` }));
            await host.clock.sleep(5);
          }
          const { view } = await client.cluster.leaderOf('t', 0);
          kill(view.leader);
          await host.clock.sleep(3_000);
          start(view.leader);
          await host.clock.sleep(3_000);
        }
        await Promise.all(sent);
        const consumer = connect().consumer();
        consumer.assign([{ topic: 't', partition: 0 }]);
        expect(await read(consumer, 150)).toEqual(numbers(150));
      },
      { brokers: 3 },
    );
  });

  it.each(['range', 'cooperative-sticky'] as const)(
    'should share partitions between members (%s)',
    async (assignor) => {
      await withBrokers(
        async ({ host, connect }) => {
          const admin = connect();
          await admin.admin.createTopics([{ name: 't', partitions: 4 }]);
          const seen: string[] = [];
          const join = () => {
            const consumer: Consumer = connect().consumer({
              group: { groupId: 'g', assignor, sessionTimeoutMs: 6_000 },
              onRevoked: () => consumer.commit(),
            });
            consumer.subscribe(['t']);
            let isOver = false;
            const loop = async (): Promise<void> => {
              while (!isOver) seen.push(...(await consumer.poll(300)).map(textOf));
              await consumer.commit();
              await consumer.close();
            };
            const ended = loop();
            // Without a script that waits for it, the loop ends with its client.
            ended.catch(() => undefined);
            const stop = async (): Promise<void> => {
              isOver = true;
              await ended;
            };
            return { consumer, stop };
          };
          const until = async (isDone: () => boolean): Promise<void> => {
            while (!isDone()) await host.clock.sleep(50);
          };
          const held = (consumer: Consumer): string[] => consumer.assignment.map(keyOf);
          const first = join();
          await until(() => held(first.consumer).length === 4);
          const second = join();
          await until(() => held(first.consumer).length === 2 && held(second.consumer).length === 2);
          expect([...held(first.consumer), ...held(second.consumer)].toSorted()).toEqual(['t/0', 't/1', 't/2', 't/3']);
          const producer = admin.producer();
          const send = (value: string): Promise<unknown> =>
            producer.send({ topic: 't', partition: Number(value) % 4, value });
          await Promise.all(numbers(20).map(send));
          await until(() => seen.length === 20);
          await second.stop();
          await until(() => held(first.consumer).length === 4);
          await Promise.all(numbers(40).slice(20).map(send));
          await until(() => seen.length === 40);
          // Nothing twice: each member committed before it gave a partition up.
          expect(seen.toSorted()).toEqual(numbers(40).toSorted());
          await first.consumer.commit();
          const committed = await admin.admin.groupOffsets('g');
          expect(committed.map(({ offset }) => offset)).toEqual([10, 10, 10, 10]);
          const group = await admin.admin.describeGroup('g');
          expect(group).toMatchObject({ groupState: 'Stable', members: [{ clientId: 'hotfire' }] });
          expect((await admin.admin.listGroups()).map(({ groupId }) => groupId)).toEqual(['g']);
          await first.stop();
        },
        { brokers: assignor === 'range' ? 1 : 3 },
      );
    },
  );

  it.each([1, 2] as const)('should commit and abort transactions of version %i as a whole', async (version) => {
    await withBrokers(
      async ({ connect }) => {
        const client = connect();
        await client.admin.createTopics([{ name: 't', partitions: 2 }]);
        const producer = client.producer({ transactionalId: 'tx', transactionVersion: version });
        await producer.initTransactions();
        const send = (value: string): Promise<unknown> =>
          Promise.all([0, 1].map((partition) => producer.send({ topic: 't', partition, value })));
        for (const [value, isCommitted] of [
          ['one', true],
          ['two', false],
          ['three', true],
        ] as const) {
          producer.begin();
          await send(value);
          await producer.sendOffsets({ groupId: 'g', offsets: [{ topic: 't', partition: 0, offset: value.length }] });
          await (isCommitted ? producer.commit() : producer.abort());
          expect(await client.admin.groupOffsets('g', [{ topic: 't', partition: 0 }], true)).toMatchObject([
            { offset: value === 'three' ? 5 : 3 },
          ]);
        }
        for (const partition of [0, 1]) {
          const consumer = client.consumer({ isolation: 'read-committed' });
          consumer.assign([{ topic: 't', partition }]);
          expect(await read(consumer, 2)).toEqual(['one', 'three']);
          const dirty = client.consumer();
          dirty.assign([{ topic: 't', partition }]);
          expect(await read(dirty, 3)).toEqual(['one', 'two', 'three']);
        }
      },
      { brokers: version === 1 ? 1 : 3 },
    );
  });

  it('should fence an older producer of the same transactional id', async () => {
    await withBrokers(
      async ({ connect }) => {
        const client = connect();
        await client.admin.createTopics([{ name: 't', partitions: 1 }]);
        const old = client.producer({ transactionalId: 'tx' });
        await old.initTransactions();
        old.begin();
        await old.send({ topic: 't', partition: 0, value: 'old' });
        const young = connect().producer({ transactionalId: 'tx' });
        await young.initTransactions();
        const error = await failureOf(old.commit());
        expect([47, 90]).toContain(error.errorNumber);
        young.begin();
        await young.send({ topic: 't', partition: 0, value: 'young' });
        await young.commit();
        const consumer = client.consumer({ isolation: 'read-committed' });
        consumer.assign([{ topic: 't', partition: 0 }]);
        expect(await read(consumer, 1)).toEqual(['young']);
      },
      { brokers: 1 },
    );
  });

  it('should do what operators ask', async () => {
    await withBrokers(
      async ({ connect, host }) => {
        const client = connect();
        const { admin } = client;
        await admin.createTopics([{ name: 't', partitions: 1, configs: { 'retention.ms': '1000000' } }]);
        expect((await failureOf(admin.createTopics([{ name: 't' }]))).errorNumber).toBe(36);
        const producer = client.producer();
        await Promise.all(numbers(10).map((value) => producer.send({ topic: 't', partition: 0, value })));
        expect(await admin.offset({ topic: 't', partition: 0 }, 'latest')).toMatchObject({ offset: 10 });
        expect(await admin.deleteRecords({ topic: 't', partition: 0 }, 4)).toBe(4);
        expect(await admin.offset({ topic: 't', partition: 0 }, 'earliest')).toMatchObject({ offset: 4 });
        const topic = { type: 'topic', name: 't' } as const;
        const retention = async (): Promise<unknown> =>
          (await admin.configs(topic)).find(({ name }) => name === 'retention.ms');
        expect(await retention()).toMatchObject({ value: '1000000', isOverride: true });
        await admin.alterConfigs(topic, { 'retention.ms': null });
        expect(await retention()).toMatchObject({ isOverride: false });
        await admin.createPartitions('t', 3);
        expect((await admin.topics()).map(({ name, partitions }) => [name, partitions.size])).toEqual([['t', 3]]);
        await admin.alterQuota({ clientId: 'app', limits: { producer_byte_rate: 1_000_000 } });
        expect(await admin.quotas()).toMatchObject([
          { entity: [{ entityType: 'client-id', entityName: 'app' }], values: [{ key: 'producer_byte_rate' }] },
        ]);
        expect((await admin.describeCluster()).brokers.map(({ brokerId }) => brokerId)).toEqual([1]);
        await admin.resetGroupOffsets('g', [{ topic: 't', partition: 0, offset: 7 }]);
        expect(await admin.groupOffsets('g')).toMatchObject([{ offset: 7 }]);
        await admin.deleteGroupOffsets('g', [{ topic: 't', partition: 0 }]);
        expect(await admin.groupOffsets('g', [{ topic: 't', partition: 0 }])).toMatchObject([{ offset: -1 }]);
        await admin.deleteTopics(['t']);
        expect(await admin.topics()).toEqual([]);
        const since = host.clock.now();
        expect(await failureOf(admin.deleteTopics(['t']))).toMatchObject({ errorNumber: 3, outcome: 'definite' });
        expect((await failureOf(admin.createPartitions('t', 4))).errorNumber).toBe(3);
        // Nobody is asked twice for what is not there.
        expect(host.clock.now() - since).toBeLessThan(1_000);
        expect((await failureOf(admin.deleteGroup('unknown'))).errorNumber).toBe(69);
      },
      { brokers: 1 },
    );
  });
});
