import { beforeAll, expect, test } from 'vitest';
import { adminCommands } from '../../../../src/engines/streambus/admin/commands/all.ts';
import { Desk } from './desk.ts';

let desk: Desk;
beforeAll(async () => {
  desk = new Desk();
  await desk.up();
  expect(await desk.run('topics create orders --partitions 3 --config retention.ms=3600000')).toBe(0);
  await desk.produce('orders', 20);
});

/** Runs a command line with --json: its exit code, and the values that it printed, one a line. */
async function json(line: string): Promise<{ readonly code: number; readonly values: readonly unknown[] }> {
  const code = await desk.run(`${line} --json`);
  return { code, values: desk.lines.map((text) => JSON.parse(text)) };
}

test('commands that tell what there is have --json, those that do something at length do not', () => {
  const having = [...adminCommands.values()].filter(({ options }) => options.some(({ name }) => name === 'json'));
  expect(having.map(({ name }) => name)).toEqual([
    'check-data-integrity',
    'check-quorum',
    'cluster-health-check',
    'diagnose-latency',
    'groups',
    'quotas',
    'readonly',
    'topics',
    'verify-data-integrity',
  ]);
});

test('health and quorum as JSON say what their lines say', async () => {
  await desk.run('cluster-health-check');
  const texts = desk.lines.map((line) => line.slice(2));
  expect(await json('cluster-health-check')).toEqual({
    code: 0,
    values: [{ healthy: true, findings: texts.map((text) => ({ level: 'good', text })) }],
  });
  const { code, values } = await json('check-quorum');
  expect(code).toBe(0);
  expect(values).toHaveLength(1);
  const [found] = values as { quorum: boolean; groups: { group: string; leader: number; voters: number[] }[] }[];
  expect(found?.quorum).toBe(true);
  expect(found?.groups).toHaveLength(1 + 16 + 3);
  expect(found?.groups[0]).toMatchObject({ group: 'metadata', leader: desk.brokers.leaderOf(0), voters: [1, 2, 3] });
});

test('a check that is repeated is a value a round', async () => {
  const { code, values } = await json('check-quorum --watch 10s --for 30s');
  expect(code).toBe(0);
  expect(values).toHaveLength(3);
  for (const value of values) expect(value).toMatchObject({ quorum: true });
});

test('topics, groups, quotas and read-only mode are the values of their routes', async () => {
  expect(await json('topics list')).toMatchObject({
    code: 0,
    values: [{ topics: [{ name: 'orders', partitions: 3, replication: 3 }] }],
  });
  expect(await json('topics describe orders')).toMatchObject({
    code: 0,
    values: [{ name: 'orders', settings: { 'retention.ms': '3600000' }, partition_list: [{}, {}, {}] }],
  });
  expect(await json('topics create gone --partitions 2')).toMatchObject({ values: [{ name: 'gone', partitions: 2 }] });
  expect(await json('topics delete gone')).toEqual({ code: 0, values: [{ deleted: 'gone' }] });
  expect(await json('groups list')).toMatchObject({ code: 0, values: [{ groups: [], unavailable: [] }] });
  expect(await json('quotas set --default produce_rate=500')).toMatchObject({
    code: 0,
    values: [{ default: { produce_rate: 500 } }],
  });
  expect(await json('quotas show')).toMatchObject({ code: 0, values: [{ default: { produce_rate: 500 } }] });
  expect(await json('readonly show --broker 2')).toMatchObject({
    code: 0,
    values: [{ broker: 2, enabled: false, reasons: [] }],
  });
});

test('a group has its lag by partition', async () => {
  const bus = desk.brokers.bus(1);
  const shard = bus.metadata.shardOf('groups', 'shop');
  await desk.brokers.until('a coordinator', () => desk.brokers.leaderOf(shard) !== undefined);
  const coordinator = desk.brokers.bus(desk.brokers.leaderOf(shard) ?? 0).services.groupCoordinator(shard);
  await desk.on(async () =>
    coordinator?.commitOffsets({
      groupId: 'shop',
      memberId: '',
      groupInstanceId: undefined,
      generationId: -1,
      retentionMs: undefined,
      offsets: [{ topic: 'orders', partition: 0, offset: 15, leaderEpoch: -1, metadata: '' }],
    }),
  );
  expect(await json('groups describe shop')).toMatchObject({
    code: 0,
    values: [
      {
        group: 'shop',
        unavailable: [],
        partitions: [{ topic: 'orders', partition: 0, committed: 15, end: 20, lag: 5 }],
      },
    ],
  });
  expect(await json('groups describe none')).toEqual({
    code: 1,
    values: [{ error: { code: 'UNKNOWN_GROUP', message: 'none: there is no such group' } }],
  });
});

test('what was verified is named by partition, and where the time goes by broker', async () => {
  const partition = { topic: 'orders', problems: [], alike: 3, first_offset: 0, end_offset: 20, batches: 20 };
  expect(await json('verify-data-integrity')).toMatchObject({
    code: 0,
    values: [{ intact: true, bad: 0, partitions: [0, 1, 2].map((n) => ({ ...partition, partition: n })) }],
  });
  const { code, values } = await json('diagnose-latency');
  expect(code).toBe(0);
  expect(values).toMatchObject([{ slow: [], hosts: [1, 2, 3].map((id) => ({ broker_id: id })), slow_queries: [] }]);
  const [{ histograms, round_trips: trips } = { histograms: [], round_trips: [] }] = values as {
    histograms: { broker: number; histogram: string; p99_ms: number }[];
    round_trips: { from: number; to: number }[];
  }[];
  const syncs = histograms.filter(({ histogram }) => histogram === 'streambus_journal_sync_duration_seconds');
  expect(syncs.map(({ broker }) => broker)).toEqual([1, 2, 3]);
  for (const { p99_ms: p99 } of syncs) expect(p99).toBeLessThan(100);
  expect(trips.map(({ from, to }) => `${from} ${to}`)).toEqual(['1 2', '1 3', '2 1', '2 3', '3 1', '3 2']);
});

test('refusals and the loss of the majority are JSON too', async () => {
  expect(await json('topics describe nothing')).toMatchObject({
    code: 1,
    values: [{ error: { code: 'UNKNOWN_TOPIC', message: expect.stringContaining('nothing') } }],
  });
  desk.brokers.stop(2, 'kill');
  await desk.brokers.run(15_000);
  expect(await json('cluster-health-check')).toMatchObject({
    code: 1,
    values: [
      {
        healthy: false,
        findings: expect.arrayContaining([{ level: 'bad', text: expect.stringMatching(/^broker-2: /) }]),
      },
    ],
  });
  // What reads for a long time does not wait as long for a broker that is down.
  const began = desk.brokers.world.now;
  const { code, values } = await json('verify-data-integrity --timeout 20');
  expect(desk.brokers.world.now - began).toBeLessThan(20_000);
  expect(code).toBe(1);
  const problems = [{ broker: 2, message: expect.stringMatching(/^broker 2 did not answer: .*cannot be reached/) }];
  expect(values).toMatchObject([
    {
      intact: false,
      bad: 3,
      partitions: [0, 1, 2].map((partition) => ({ partition, alike: 2, batches: 20, problems })),
    },
  ]);
  for (const broker of [1, 3]) desk.brokers.stop(broker, 'kill');
  await desk.brokers.run(1_000);
  expect(await json('quotas show')).toMatchObject({ code: 2, values: [{ error: { code: 'NO_ANSWER' } }] });
  expect(await json('check-quorum')).toMatchObject({
    code: 1,
    values: [{ quorum: false, groups: [], error: { code: 'NO_ANSWER' } }],
  });
});
