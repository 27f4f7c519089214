import { expect, test } from 'vitest';
import type { DoorRefusal } from '../../../../src/engines/streambus/kafka/hooks.ts';
import { RefusalLog } from '../../../../src/engines/streambus/kafka/refusalLog.ts';
import type { Clock } from '../../../../src/host/clock.ts';
import type { Logger } from '../../../../src/host/telemetry.ts';
import { apiKeys } from '../../../../src/wire/kafka/apis.ts';
import { buildBatch } from '../../../../src/wire/kafka/records.ts';
import { withDoor } from './support/doorWorld.ts';

const text = new TextEncoder();

function batch(value: string): Uint8Array {
  return buildBatch([{ timestamp: 1, value: text.encode(value) }]);
}

function produceOf(topic: string, index: number, value: string, acks = -1) {
  return {
    acks,
    timeoutMs: 1_000,
    topicData: [{ name: topic, partitionData: [{ index, records: batch(value) }] }],
  };
}

function fetchOf(topic: string, maxWaitMs: number, fetchOffset = 0) {
  return {
    maxWaitMs,
    minBytes: 1,
    topics: [{ topic, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1_000_000 }] }],
  };
}

test('answers come in the order of the requests, also when later ones are ready first', async () => {
  await withDoor(async ({ services, connect }) => {
    const [slow] = services.addTopic('slow');
    services.addTopic('fast');
    slow?.hold();
    const client = await connect();
    const first = await client.send(apiKeys.Produce, 9, produceOf('slow', 0, 'a'));
    const second = await client.send(apiKeys.Produce, 9, produceOf('fast', 0, 'b'));
    const third = await client.send(apiKeys.ApiVersions, 3, {
      clientSoftwareName: 'test',
      clientSoftwareVersion: '1',
    });
    while (services.partition('fast', 0)?.requests.length !== 1) await services.host.clock.sleep(10);
    slow?.release();
    expect((await client.receive(apiKeys.Produce, 9))?.correlation).toBe(first);
    expect((await client.receive(apiKeys.Produce, 9))?.correlation).toBe(second);
    expect((await client.receive(apiKeys.ApiVersions, 3))?.correlation).toBe(third);
  });
});

test('64 requests are under way at most: the 65th is begun when the first is answered', async () => {
  await withDoor(async ({ services, host, connect }) => {
    const [partition] = services.addTopic('t');
    partition?.hold();
    const client = await connect();
    for (let n = 0; n < 80; n++) await client.send(apiKeys.Produce, 9, produceOf('t', 0, `${n}`));
    await host.clock.sleep(1_000);
    expect(partition?.requests.length).toBe(64);
    partition?.release();
    for (let n = 0; n < 80; n++) {
      const answer = await client.receive(apiKeys.Produce, 9);
      expect(answer?.body.responses[0]?.partitionResponses[0]?.baseOffset).toBe(n);
    }
    expect(partition?.requests.length).toBe(80);
  });
});

test('a frame that is too small or too large closes the connection; others stay', async () => {
  await withDoor(
    async ({ services, connect, refused }) => {
      services.addTopic('t');
      const good = await connect();
      for (const length of [0, 7, -1, 2 * 1024 * 1024, 0x7fffffff]) {
        const bad = await connect();
        const bytes = new Uint8Array(4);
        new DataView(bytes.buffer).setInt32(0, length);
        await bad.connection.write(bytes);
        expect(await bad.frame()).toBeUndefined();
      }
      expect(refused).toEqual([
        'frame-too-small',
        'frame-too-small',
        'frame-too-large',
        'frame-too-large',
        'frame-too-large',
      ]);
      const answer = await good.call(apiKeys.Produce, 9, produceOf('t', 0, 'a'));
      expect(answer.responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
    },
    { config: { network: { max_request: '1MB' } } },
  );
});

test('30 s of silence before the first request, or within a frame, close the connection', async () => {
  await withDoor(async ({ host, connect, refused }) => {
    const startedAt = host.clock.now();
    const silent = await connect();
    expect(await silent.frame()).toBeUndefined();
    expect(host.clock.now() - startedAt).toBeGreaterThan(29_900);
    expect(host.clock.now() - startedAt).toBeLessThan(31_000);

    const halting = await connect();
    await halting.call(apiKeys.ApiVersions, 0, {});
    await host.clock.sleep(100_000);
    await halting.connection.write(new Uint8Array([0, 0, 0, 20, 1]));
    const haltedAt = host.clock.now();
    expect(await halting.frame()).toBeUndefined();
    expect(host.clock.now() - haltedAt).toBeGreaterThan(29_900);
    expect(host.clock.now() - haltedAt).toBeLessThan(31_000);
    expect(refused).toEqual(['silent', 'silent']);
  });
});

test('a connection without requests is closed after the idle time-out, one that waits for records is not', async () => {
  await withDoor(
    async ({ host, services, connect, refused }) => {
      services.addTopic('t');
      const idle = await connect();
      await idle.call(apiKeys.ApiVersions, 0, {});
      const waiting = await connect();
      await waiting.send(apiKeys.Fetch, 4, fetchOf('t', 300_000));
      const startedAt = host.clock.now();
      expect(await idle.frame()).toBeUndefined();
      expect(host.clock.now() - startedAt).toBeGreaterThan(59_900);
      expect(host.clock.now() - startedAt).toBeLessThan(95_000);
      expect(refused).toEqual(['idle']);
      expect((await waiting.receive(apiKeys.Fetch, 4))?.body).toMatchObject({
        errorCode: 0,
        responses: [{ topic: 't', partitions: [{ partitionIndex: 0, errorCode: 0 }] }],
      });
      expect(host.clock.now() - startedAt).toBeGreaterThan(299_000);
    },
    { config: { network: { idle_timeout: '1m' } } },
  );
});

test('a drain answers what was begun, ends long polls and closes', async () => {
  await withDoor(async ({ services, host, listener, connect }) => {
    const [partition] = services.addTopic('t');
    services.addTopic('empty');
    partition?.hold();
    const producer = await connect();
    const poller = await connect();
    await producer.send(apiKeys.Produce, 9, produceOf('t', 0, 'a'));
    await poller.send(apiKeys.Fetch, 4, fetchOf('empty', 100_000));
    await host.clock.sleep(100);
    const startedAt = host.clock.now();
    const closing = listener.close();
    await host.clock.sleep(100);
    partition?.release();
    expect((await producer.receive(apiKeys.Produce, 9))?.body.responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
    expect((await poller.receive(apiKeys.Fetch, 4))?.body.responses[0]?.partitions[0]?.errorCode).toBe(0);
    expect(await producer.frame()).toBeUndefined();
    await closing;
    expect(host.clock.now() - startedAt).toBeLessThan(3_000);
    expect(listener.connections).toBe(0);
  });
});

test('a drain does not wait longer than its time for a request that hangs', async () => {
  await withDoor(async ({ services, host, listener, connect }) => {
    const [partition] = services.addTopic('t');
    partition?.hold();
    const client = await connect();
    await client.send(apiKeys.Produce, 9, produceOf('t', 0, 'a'));
    await host.clock.sleep(100);
    const startedAt = host.clock.now();
    await listener.close();
    expect(host.clock.now() - startedAt).toBeGreaterThan(9_900);
    expect(host.clock.now() - startedAt).toBeLessThan(11_000);
  });
});

test('connections above the limit are closed; the last 16 may only administer', async () => {
  await withDoor(
    async ({ services, connect, refused, listener }) => {
      services.addTopic('t');
      const clients = [];
      for (let n = 0; n < 20; n++) {
        const client = await connect();
        await client.call(apiKeys.ApiVersions, 0, {});
        clients.push(client);
      }
      expect(listener.connections).toBe(20);
      const beyond = await connect();
      await beyond.send(apiKeys.ApiVersions, 0, {}).catch(() => undefined);
      expect(await beyond.frame()).toBeUndefined();
      expect(refused).toEqual(['too-many-connections']);
      const worker = clients[3];
      const admin = clients[4];
      const produced = await worker?.call(apiKeys.Produce, 9, produceOf('t', 0, 'a'));
      expect(produced?.responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
      expect((await admin?.call(apiKeys.Metadata, 9, { topics: null }))?.topics.length).toBe(1);
      await admin?.send(apiKeys.Produce, 9, produceOf('t', 0, 'b'));
      expect(await admin?.frame()).toBeUndefined();
    },
    { config: { network: { max_connections: 20 } } },
  );
});

test('an unknown key closes; a version out of range closes, but ApiVersions is answered in version 0 with 35', async () => {
  await withDoor(async ({ connect, refused }) => {
    const unknown = await connect();
    const frame = new Uint8Array(14);
    const view = new DataView(frame.buffer);
    view.setInt32(0, 10);
    view.setInt16(4, 4);
    await unknown.connection.write(frame.slice());
    expect(await unknown.frame()).toBeUndefined();

    const tooNew = await connect();
    view.setInt16(4, apiKeys.Metadata);
    view.setInt16(6, 99);
    await tooNew.connection.write(frame.slice());
    expect(await tooNew.frame()).toBeUndefined();

    const asks = await connect();
    view.setInt16(4, apiKeys.ApiVersions);
    view.setInt32(8, 77);
    await asks.connection.write(frame.slice());
    const answer = await asks.receive(apiKeys.ApiVersions, 0);
    expect(answer?.correlation).toBe(77);
    expect(answer?.body.errorCode).toBe(35);
    expect(answer?.body.apiKeys.find(({ apiKey }) => apiKey === 0)).toEqual({
      apiKey: 0,
      minVersion: 0,
      maxVersion: 12,
    });
    expect(
      (await asks.call(apiKeys.ApiVersions, 3, { clientSoftwareName: 'a', clientSoftwareVersion: '1' })).errorCode,
    ).toBe(0);
    expect(refused).toEqual(['unknown-api', 'bad-version']);
  });
});

test('Produce below 3 is answered with 35 for each partition, and nothing is appended', async () => {
  await withDoor(async ({ services, connect }) => {
    const [partition] = services.addTopic('t');
    const client = await connect();
    for (const version of [0, 1, 2]) {
      const answer = await client.call(apiKeys.Produce, version, produceOf('t', 0, 'a'));
      expect(answer.responses[0]?.partitionResponses[0]).toMatchObject({ index: 0, errorCode: 35 });
    }
    expect(partition?.requests).toEqual([]);
  });
});

test('a request that cannot be read is answered with 42 where there is a place for it, else the connection is closed', async () => {
  await withDoor(async ({ connect, errors }) => {
    const client = await connect();
    const correlation = await sendBad(client.connection, apiKeys.SaslHandshake, 1);
    const answer = await client.receive(apiKeys.SaslHandshake, 1);
    expect(answer?.correlation).toBe(correlation);
    expect(answer?.body.errorCode).toBe(42);
    await sendBad(client.connection, apiKeys.Produce, 3);
    expect(await client.frame()).toBeUndefined();
    expect(errors.map(({ code }) => code)).toEqual([42, 42]);
  });
});

async function sendBad(connection: { write(bytes: Uint8Array): Promise<void> }, key: number, version: number) {
  const frame = new Uint8Array(15);
  const view = new DataView(frame.buffer);
  view.setInt32(0, 11);
  view.setInt16(4, key);
  view.setInt16(6, version);
  view.setInt32(8, 5);
  view.setInt16(12, -1);
  frame[14] = 0x7f;
  await connection.write(frame);
  return 5;
}

test('a client that does not take its answers is cut off after the idle time-out; the memory it held is free again', async () => {
  await withDoor(
    async ({ services, host, connect, refused, listener }) => {
      const [partition] = services.addTopic('t');
      for (let n = 0; n < 40; n++) {
        await partition?.append({
          records: buildBatch([{ timestamp: 1, value: new Uint8Array(100_000) }]),
          transactionalId: undefined,
          version: 9,
          timeoutMs: 1_000,
          acks: -1,
          clientId: 'filler',
        });
      }
      const greedy = await connect();
      for (let n = 0; n < 10; n++) await greedy.send(apiKeys.Fetch, 4, fetchOf('t', 0));
      const other = await connect();
      await other.call(apiKeys.ApiVersions, 0, {});
      await host.clock.sleep(30_000);
      expect((await other.call(apiKeys.ApiVersions, 0, {})).errorCode).toBe(0);
      await host.clock.sleep(95_000);
      expect([...refused].sort()).toEqual(['idle', 'not-reading']);
      expect(listener.connections).toBe(0);
    },
    { config: { network: { idle_timeout: '1m' } } },
  );
});

test('connections that are closed are logged once in ten seconds for each reason, with the count of the others', () => {
  let now = 0;
  const lines: object[] = [];
  const logger = { info: (_: string, fields: object) => lines.push(fields) } as unknown as Logger;
  const log = new RefusalLog({ now: () => now } as unknown as Clock, logger);
  const closed = (connection: number, reason: DoorRefusal) =>
    log.note({ connection, client: 'c', reason, message: 'expected something else' });
  for (let n = 1; n <= 3_000; n++) closed(n, 'frame-too-small');
  closed(3_001, 'stale-transaction');
  now = 10_000;
  closed(3_002, 'frame-too-small');
  expect(lines).toEqual([
    expect.objectContaining({ connection: 1, reason: 'frame-too-small', suppressed: 0 }),
    expect.objectContaining({ connection: 3_001, reason: 'stale-transaction', suppressed: 0 }),
    expect.objectContaining({ connection: 3_002, reason: 'frame-too-small', suppressed: 2_999 }),
  ]);
});
