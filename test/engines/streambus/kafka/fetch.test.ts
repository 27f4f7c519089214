import { expect, test } from 'vitest';
import { apiKeys } from '../../../../src/wire/kafka/apis.ts';
import { buildBatch } from '../../../../src/wire/kafka/records.ts';
import { withDoor } from './support/doorWorld.ts';
import type { FakePartition } from './support/fakePartition.ts';

const value = new Uint8Array(100);

async function fill(partition: FakePartition | undefined, batches: number): Promise<void> {
  for (let n = 0; n < batches; n++) {
    await partition?.append({
      records: buildBatch([{ timestamp: 1, value }]),
      transactionalId: undefined,
      version: 9,
      timeoutMs: 1_000,
      acks: -1,
      clientId: 'filler',
    });
  }
}

interface Asked {
  readonly topic?: string;
  readonly topicId?: Uint8Array;
  readonly partitions?: readonly number[];
  readonly fetchOffset?: number;
  readonly maxWaitMs?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly partitionMaxBytes?: number;
  readonly isolationLevel?: number;
  readonly currentLeaderEpoch?: number;
  readonly sessionId?: number;
  readonly sessionEpoch?: number;
}

function fetchOf(asked: Asked = {}) {
  return {
    maxWaitMs: asked.maxWaitMs ?? 0,
    minBytes: asked.minBytes ?? 1,
    maxBytes: asked.maxBytes ?? 1_000_000,
    isolationLevel: asked.isolationLevel ?? 0,
    sessionId: asked.sessionId ?? 0,
    sessionEpoch: asked.sessionEpoch ?? -1,
    topics: [
      {
        topic: asked.topic ?? 't',
        topicId: asked.topicId ?? new Uint8Array(16),
        partitions: (asked.partitions ?? [0]).map((partition) => ({
          partition,
          currentLeaderEpoch: asked.currentLeaderEpoch ?? -1,
          fetchOffset: asked.fetchOffset ?? 0,
          partitionMaxBytes: asked.partitionMaxBytes ?? 1_000_000,
        })),
      },
    ],
  };
}

test('every version gives the same records, by name below 13 and by id from there on', async () => {
  await withDoor(async ({ services, connect }) => {
    const [partition] = services.addTopic('t');
    await fill(partition, 3);
    const topicId = services.topicMap.get('t')?.id ?? new Uint8Array(16);
    const client = await connect();
    const expected = Buffer.concat(partition?.batches.map(({ bytes }) => bytes) ?? []);
    for (let version = 4; version <= 16; version++) {
      const answer = await client.call(apiKeys.Fetch, version, fetchOf({ topicId }));
      const part = answer.responses[0]?.partitions[0];
      expect(part).toMatchObject({ errorCode: 0, highWatermark: 3, lastStableOffset: 3 });
      expect(Buffer.from(part?.records ?? new Uint8Array(0)).equals(expected)).toBe(true);
      expect(answer.sessionId).toBe(0);
    }
  });
});

test('what cannot be read has its number', async () => {
  await withDoor(async ({ services, connect }) => {
    const [partition] = services.addTopic('t');
    services.addTopic('there', 1, [0]);
    await fill(partition, 2);
    const client = await connect();
    const errorOf = async (version: number, asked: Asked) => {
      const answer = await client.call(apiKeys.Fetch, version, fetchOf({ maxWaitMs: 60_000, ...asked }));
      return answer.responses[0]?.partitions[0];
    };
    expect(await errorOf(12, { topic: 'nothing' })).toMatchObject({ errorCode: 3 });
    expect(await errorOf(12, { partitions: [5] })).toMatchObject({ errorCode: 3 });
    expect(await errorOf(12, { topic: 'there' })).toMatchObject({
      errorCode: 6,
      currentLeader: { leaderId: 2, leaderEpoch: 7 },
    });
    expect(await errorOf(13, { topicId: new Uint8Array(16).fill(99) })).toMatchObject({ errorCode: 100 });
    expect(await errorOf(12, { fetchOffset: 3 })).toMatchObject({ errorCode: 1, highWatermark: 2, logStartOffset: 0 });
    expect(await errorOf(12, { currentLeaderEpoch: 6 })).toMatchObject({ errorCode: 74 });
    expect(await errorOf(12, { currentLeaderEpoch: 8 })).toMatchObject({ errorCode: 75 });
    const session = await client.call(apiKeys.Fetch, 12, fetchOf({ sessionId: 5, sessionEpoch: 1 }));
    expect([session.errorCode, session.responses.length]).toEqual([70, 0]);
    expect((await client.call(apiKeys.Fetch, 12, fetchOf({ sessionEpoch: 3 }))).errorCode).toBe(71);
    const endpoints = await client.call(apiKeys.Fetch, 16, {
      ...fetchOf({ topicId: services.topicMap.get('there')?.id ?? new Uint8Array(16) }),
    });
    expect(endpoints.nodeEndpoints).toEqual([{ nodeId: 2, host: 'b2', port: 9092, rack: null }]);
  });
});

test('a poll waits for records and is woken by them', async () => {
  await withDoor(async ({ services, connect, host }) => {
    const [first, second] = services.addTopic('t', 2);
    const client = await connect();
    await client.send(apiKeys.Fetch, 12, fetchOf({ partitions: [0, 1], maxWaitMs: 60_000 }));
    await host.clock.sleep(5_000);
    const filledAt = host.clock.now();
    await fill(second, 1);
    const answer = await client.receive(apiKeys.Fetch, 12);
    expect(host.clock.now() - filledAt).toBeLessThan(100);
    expect(answer?.body.responses[0]?.partitions.map(({ records }) => records?.length)).toEqual([
      0,
      second?.batches[0]?.bytes.length,
    ]);
    expect(first?.batches.length).toBe(0);
  });
});

test('a poll for more bytes than come is answered with what there is when its time is up', async () => {
  await withDoor(async ({ services, connect, host }) => {
    const [partition] = services.addTopic('t');
    await fill(partition, 1);
    const client = await connect();
    const startedAt = host.clock.now();
    await client.send(apiKeys.Fetch, 12, fetchOf({ minBytes: 10_000, maxWaitMs: 3_000 }));
    await host.clock.sleep(1_000);
    await fill(partition, 1);
    const answer = await client.receive(apiKeys.Fetch, 12);
    expect(host.clock.now() - startedAt).toBeGreaterThanOrEqual(2_999);
    expect(host.clock.now() - startedAt).toBeLessThan(3_200);
    expect(answer?.body.responses[0]?.partitions[0]?.records?.length).toBe(
      2 * (partition?.batches[0]?.bytes.length ?? 0),
    );
  });
});

test('read-committed waits at the first open transaction', async () => {
  await withDoor(async ({ services, connect, host }) => {
    const [partition] = services.addTopic('t');
    if (partition === undefined) throw new Error('the topic has a partition');
    await fill(partition, 2);
    partition.openFrom = 1;
    const client = await connect();
    const committed = await client.call(apiKeys.Fetch, 12, fetchOf({ isolationLevel: 1 }));
    expect(committed.responses[0]?.partitions[0]).toMatchObject({
      highWatermark: 2,
      lastStableOffset: 1,
      abortedTransactions: [],
    });
    expect(committed.responses[0]?.partitions[0]?.records?.length).toBe(partition.batches[0]?.bytes.length);
    const uncommitted = await client.call(apiKeys.Fetch, 12, fetchOf());
    expect(uncommitted.responses[0]?.partitions[0]?.abortedTransactions).toBeNull();
    const startedAt = host.clock.now();
    await client.call(apiKeys.Fetch, 12, fetchOf({ isolationLevel: 1, fetchOffset: 1, maxWaitMs: 500 }));
    expect(host.clock.now() - startedAt).toBeGreaterThanOrEqual(499);
  });
});

test('limits hold over partitions, but the first batch always comes', async () => {
  await withDoor(async ({ services, connect }) => {
    const partitions = services.addTopic('t', 3);
    for (const partition of partitions) await fill(partition, 4);
    const batch = partitions[0]?.batches[0]?.bytes.length ?? 0;
    const client = await connect();
    const bytesOf = async (asked: Asked) => {
      const answer = await client.call(apiKeys.Fetch, 12, fetchOf({ partitions: [0, 1, 2], ...asked }));
      return answer.responses[0]?.partitions.map(({ records }) => (records?.length ?? 0) / batch);
    };
    expect(await bytesOf({ maxBytes: 6 * batch })).toEqual([4, 2, 0]);
    expect(await bytesOf({ partitionMaxBytes: 2 * batch })).toEqual([2, 2, 2]);
    expect(await bytesOf({ maxBytes: 1 })).toEqual([1, 0, 0]);
    expect(await bytesOf({ maxBytes: 1, fetchOffset: 4 })).toEqual([0, 0, 0]);
  });
});

test('time spent waiting is not work: a long poll is not slow', async () => {
  const seconds: number[] = [];
  await withDoor(
    async ({ services, connect, listener }) => {
      services.addTopic('t');
      const client = await connect();
      await client.call(apiKeys.Fetch, 12, fetchOf({ maxWaitMs: 5_000 }));
      expect(listener.slowLog.entries()).toEqual([]);
      expect(seconds.every((one) => one < 0.1)).toBe(true);
      expect(seconds.length).toBe(1);
    },
    { hooks: { requestDone: (_, one) => seconds.push(one) } },
  );
});

test('offsets and epochs are told, or why they are not', async () => {
  await withDoor(async ({ services, connect }) => {
    const [partition] = services.addTopic('t');
    services.addTopic('there', 1, [0]);
    await fill(partition, 3);
    const client = await connect();
    const offsetOf = async (version: number, name: string, timestamp: number, currentLeaderEpoch = -1) => {
      const answer = await client.call(apiKeys.ListOffsets, version, {
        topics: [{ name, partitions: [{ partitionIndex: 0, currentLeaderEpoch, timestamp }] }],
      });
      return answer.topics[0]?.partitions[0];
    };
    for (let version = 1; version <= 7; version++) {
      expect(await offsetOf(version, 't', -1)).toMatchObject({ errorCode: 0, offset: 3 });
      expect(await offsetOf(version, 't', -2)).toMatchObject({ errorCode: 0, offset: 0 });
    }
    expect(await offsetOf(7, 'there', -1)).toMatchObject({ errorCode: 6 });
    expect(await offsetOf(7, 'nothing', -1)).toMatchObject({ errorCode: 3 });
    expect(await offsetOf(7, 't', -1, 3)).toMatchObject({ errorCode: 74 });
    expect(await offsetOf(6, 't', -3)).toMatchObject({ errorCode: 35 });
    expect(await offsetOf(7, 't', -4)).toMatchObject({ errorCode: 35 });
    const epoch = await client.call(apiKeys.OffsetForLeaderEpoch, 4, {
      topics: [
        {
          topic: 't',
          partitions: [
            { partition: 0, currentLeaderEpoch: 7, leaderEpoch: 5 },
            { partition: 0, currentLeaderEpoch: 9, leaderEpoch: 5 },
            { partition: 4, currentLeaderEpoch: -1, leaderEpoch: 5 },
          ],
        },
      ],
    });
    expect(epoch.topics[0]?.partitions).toMatchObject([
      { errorCode: 0, leaderEpoch: 5, endOffset: 3 },
      { errorCode: 75 },
      { errorCode: 3 },
    ]);
  });
});

test('a consumer over its quota gets its records and is then held back: by their number and by their bytes', async () => {
  await withDoor(async ({ services, connect, host }) => {
    const [partition] = services.addTopic('t');
    await fill(partition, 40);
    const bytes = partition?.batches.reduce((sum, batch) => sum + batch.bytes.length, 0) ?? 0;
    services.quotaOf = (_, clientId) => (clientId === 'counted' ? { fetchRate: 10 } : { fetchBytesRate: bytes / 2 });
    const counted = await connect();
    counted.clientId = 'counted';
    const answer = await counted.call(apiKeys.Fetch, 12, fetchOf());
    expect(answer.throttleTimeMs).toBe(3_000);
    expect(answer.responses[0]?.partitions[0]?.records?.length).toBe(bytes);
    const startedAt = host.clock.now();
    await counted.call(apiKeys.ApiVersions, 0, {});
    expect(host.clock.now() - startedAt).toBeGreaterThanOrEqual(2_990);
    const weighed = await connect();
    expect((await weighed.call(apiKeys.Fetch, 12, fetchOf())).throttleTimeMs).toBe(1_000);
  });
});
