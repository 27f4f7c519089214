import { expect, test } from 'vitest';
import { createRouteClient } from '../../../src/engines/streambus/admin/routeClient.ts';
import { buildBatch } from '../../../src/wire/kafka/records.ts';
import { type Brokers, withBrokers } from './support/brokers.ts';

/** Two segments of the journal are its reserve: of one of 4 MB, which is the spare, and of less than one more. */
const options = {
  brokers: 3,
  config: {
    storage: { data_dir: '/data', journal: { segment_size: '4MB' }, read_only_below: 0, flush_interval: '1s' },
  },
};
const notEnoughReplicas = 19;

/** Somebody else fills the disks of all brokers; ends that. */
function fill({ world }: Brokers, freeBytes: number): () => void {
  const ends = [1, 2, 3].map((n) => world.machines.get(`b${n}`)?.devices.device('root').fill({ freeBytes }));
  return () => {
    for (const end of ends) end?.();
  };
}

const textOf = (value: Uint8Array | null): string => new TextDecoder().decode(value ?? new Uint8Array(0));

test('brokers whose journals are down to their reserve say so, answer writes at once, serve reads, and can be helped', async () => {
  await withBrokers(async (brokers) => {
    const { host, connect, broker } = brokers;
    const client = connect();
    const operator = createRouteClient(() => [1, 2, 3].map((n) => broker(n).routes));
    await client.admin.createTopics([{ name: 't', partitions: 1, replication: 3 }]);
    const producer = client.producer();
    for (let n = 0; n < 3; n++) await producer.send({ topic: 't', partition: 0, value: `v${n}` });
    const empty = fill(brokers, 3_000_000);
    await host.clock.sleep(10_000);

    for (const to of [1, 2, 3]) {
      expect(await operator.request('GET', '/admin/readonly', { to })).toMatchObject({
        status: 200,
        body: {
          enabled: true,
          reasons: [
            { by: 'disk', reason: expect.stringMatching(/^the journal keeps its reserve .* \d{7} bytes are free/) },
          ],
        },
      });
      const { body } = await operator.request('GET', '/metrics', { to });
      expect(String(body)).toContain('\nstreambus_read_only 1\n');
    }
    const group = broker(1).metadata.topics.get('t')?.partitions[0]?.group ?? 0;
    const leader = [1, 2, 3].find((n) => broker(n).services.group(group)?.serving === true);
    if (leader === undefined) throw new Error('nobody leads t/0');
    const begun = host.clock.now();
    const answer = await broker(leader)
      .services.partition('t', 0)
      ?.append({
        records: buildBatch([{ timestamp: Math.floor(host.clock.wall()), value: new Uint8Array(10) }]),
        transactionalId: undefined,
        version: 9,
        timeoutMs: 30_000,
        acks: -1,
        clientId: 'test',
      });
    expect(answer).toMatchObject({ errorCode: notEnoughReplicas });
    expect(host.clock.now() - begun).toBeLessThan(1_000);

    const consumer = connect().consumer({ group: { groupId: 'g' } });
    consumer.assign([{ topic: 't', partition: 0 }]);
    const values: string[] = [];
    for (let polls = 0; polls < 10 && values.length < 3; polls++) {
      values.push(...(await consumer.poll(1_000)).map(({ value }) => textOf(value)));
    }
    expect(values).toEqual(['v0', 'v1', 'v2']);
    await consumer.commit();

    // What frees space, and a change of leaders, still get through.
    const configs = { 'retention.bytes': 1_000 };
    expect(await operator.request('POST', '/admin/topics/t', { body: { configs } })).toMatchObject({
      status: 200,
      body: { configs: { 'retention.bytes': '1000' } },
    });
    expect(await client.admin.deleteRecords({ topic: 't', partition: 0 }, 2)).toBe(2);
    expect(await operator.request('DELETE', '/admin/topics/t', {})).toMatchObject({ status: 200 });
    await client.admin.createTopics([{ name: 'u', partitions: 1, replication: 3 }]);

    empty();
    await host.clock.sleep(5_000);
    expect(await operator.request('GET', '/admin/readonly', { to: 2 })).toMatchObject({ body: { enabled: false } });
    expect(await producer.send({ topic: 'u', partition: 0, value: 'again' })).toMatchObject({ offset: 0 });
  }, options);
});

test('brokers that start with full disks find leaders all the same', async () => {
  await withBrokers(async (brokers) => {
    const { host, connect, kill, start, broker } = brokers;
    await connect().admin.createTopics([{ name: 't', partitions: 1, replication: 3 }]);
    for (const n of [1, 2, 3]) kill(n);
    fill(brokers, 3_000_000);
    for (const n of [1, 2, 3]) start(n);
    await host.clock.sleep(60_000);
    for (const n of [1, 2, 3])
      expect(broker(n).services.readOnly, `broker ${n}`).toMatch(/^the journal keeps its reserve/);
    await connect().admin.deleteTopics(['t']);
  }, options);
});
