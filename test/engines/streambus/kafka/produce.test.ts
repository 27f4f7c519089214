import { expect, test } from 'vitest';
import { apiKeys } from '../../../../src/wire/kafka/apis.ts';
import { buildBatch } from '../../../../src/wire/kafka/records.ts';
import { withDoor } from './support/doorWorld.ts';

const value = new TextEncoder().encode('v');
const record = { timestamp: 1, value };

interface Sent {
  readonly topic?: string;
  readonly index?: number;
  readonly records?: Uint8Array | null;
  readonly acks?: number;
  readonly transactionalId?: string | null;
}

function produceOf(options: Sent = {}) {
  const { topic = 't', index = 0, records = buildBatch([record]), acks = -1, transactionalId = null } = options;
  return {
    transactionalId,
    acks,
    timeoutMs: 1_000,
    topicData: [{ name: topic, partitionData: [{ index, records }] }],
  };
}

function transactional(producerId = 4, producerEpoch = 1, baseSequence = 0): Uint8Array {
  return buildBatch([record], { producerId, producerEpoch, baseSequence, isTransactional: true });
}

test('every version that is spoken appends and tells the offset', async () => {
  await withDoor(async ({ services, connect }) => {
    const [partition] = services.addTopic('t');
    const client = await connect();
    for (let version = 3; version <= 12; version++) {
      const answer = await client.call(apiKeys.Produce, version, produceOf());
      expect(answer.responses[0]?.partitionResponses[0]).toMatchObject({ errorCode: 0, baseOffset: version - 3 });
    }
    expect(partition?.requests.length).toBe(10);
  });
});

test('what is wrong with a request or a partition has its number, and nothing is appended', async () => {
  await withDoor(async ({ services, connect }) => {
    const [partition] = services.addTopic('t');
    services.addTopic('there', 1, [0]);
    const client = await connect();
    const errorOf = async (sent: Sent) => {
      const answer = await client.call(apiKeys.Produce, 10, produceOf(sent));
      return answer.responses[0]?.partitionResponses[0];
    };
    expect(await errorOf({ acks: 2 })).toMatchObject({ errorCode: 21, baseOffset: -1 });
    expect(await errorOf({ topic: 'nothing' })).toMatchObject({ errorCode: 3 });
    expect(await errorOf({ index: 9 })).toMatchObject({ errorCode: 3 });
    expect(await errorOf({ index: -1 })).toMatchObject({ errorCode: 3 });
    expect(await errorOf({ topic: 'there' })).toMatchObject({
      errorCode: 6,
      currentLeader: { leaderId: 2, leaderEpoch: 7 },
    });
    expect(await errorOf({ records: transactional() })).toMatchObject({ errorCode: 53 });
    services.readOnly = 'the disk is full';
    expect(await errorOf({})).toMatchObject({ errorCode: 19, errorMessage: expect.stringContaining('full') });
    expect(partition?.requests).toEqual([]);
  });
});

test('a broker that takes no writes sends clients to whoever leads by now: on 19 they would try it again and again', async () => {
  await withDoor(async ({ services, connect }) => {
    const [mine] = services.addTopic('mine');
    services.addTopic('moved', 1, [0]);
    services.readOnly = 'cleaning';
    const client = await connect();
    const records = () => buildBatch([record]);
    const answer = await client.call(apiKeys.Produce, 10, {
      acks: -1,
      timeoutMs: 1_000,
      topicData: [
        { name: 'mine', partitionData: [{ index: 0, records: records() }] },
        { name: 'moved', partitionData: [{ index: 0, records: records() }] },
      ],
    });
    expect(answer.responses.map(({ partitionResponses }) => partitionResponses[0])).toMatchObject([
      { errorCode: 19, errorMessage: expect.stringContaining('cleaning') },
      { errorCode: 6, currentLeader: { leaderId: 2, leaderEpoch: 7 } },
    ]);
    expect(answer.nodeEndpoints).toMatchObject([{ nodeId: 2 }]);
    expect(mine?.requests).toEqual([]);
  });
});

test('who is not the leader is told with its address from version 10 on', async () => {
  await withDoor(async ({ services, connect }) => {
    services.addTopic('there', 1, [0]);
    const client = await connect();
    const answer = await client.call(apiKeys.Produce, 10, produceOf({ topic: 'there' }));
    expect(answer.nodeEndpoints).toEqual([{ nodeId: 2, host: 'b2', port: 9092, rack: null }]);
    const older = await client.call(apiKeys.Produce, 9, produceOf({ topic: 'there' }));
    expect(older.nodeEndpoints).toEqual([]);
  });
});

test('two entries for one partition are refused with 87, others of the request are taken', async () => {
  await withDoor(async ({ services, connect }) => {
    const [first, second] = services.addTopic('t', 2);
    const client = await connect();
    const records = () => buildBatch([record]);
    const answer = await client.call(apiKeys.Produce, 9, {
      acks: -1,
      timeoutMs: 1_000,
      topicData: [
        {
          name: 't',
          partitionData: [
            { index: 0, records: records() },
            { index: 1, records: records() },
            { index: 0, records: records() },
          ],
        },
      ],
    });
    expect(answer.responses[0]?.partitionResponses.map(({ errorCode }) => errorCode)).toEqual([87, 0, 87]);
    expect([first?.requests.length, second?.requests.length]).toEqual([0, 1]);
  });
});

test("the partition's own refusal is passed on", async () => {
  await withDoor(async ({ services, connect, errors }) => {
    const [partition] = services.addTopic('t');
    if (partition !== undefined) partition.appendError = 45;
    const client = await connect();
    const answer = await client.call(apiKeys.Produce, 9, produceOf());
    expect(answer.responses[0]?.partitionResponses[0]).toMatchObject({
      errorCode: 45,
      baseOffset: -1,
      errorMessage: 'as the test said',
    });
    expect(errors).toEqual([{ api: 'Produce', code: 45 }]);
  });
});

test('acks=0 is not answered; where it fails the connection is closed', async () => {
  await withDoor(async ({ services, connect, host }) => {
    const [partition] = services.addTopic('t');
    const client = await connect();
    await client.send(apiKeys.Produce, 9, produceOf({ acks: 0 }));
    const versions = await client.call(apiKeys.ApiVersions, 0, {});
    expect(versions.errorCode).toBe(0);
    expect(partition?.requests.length).toBe(1);
    await client.send(apiKeys.Produce, 9, produceOf({ acks: 0, topic: 'nothing' }));
    expect(await client.frame()).toBeUndefined();
    await host.clock.sleep(1);
  });
});

test('without the right to write, 29; to the transactional id, 53', async () => {
  await withDoor(
    async ({ services, connect }) => {
      const [partition] = services.addTopic('t');
      const client = await connect();
      const denied = await client.call(apiKeys.Produce, 9, produceOf());
      expect(denied.responses[0]?.partitionResponses[0]?.errorCode).toBe(29);
      const other = await client.call(apiKeys.Produce, 9, produceOf({ transactionalId: 'x' }));
      expect(other.responses[0]?.partitionResponses[0]?.errorCode).toBe(53);
      services.acls.push({
        resourceType: 'topic',
        resourceName: 't',
        patternType: 'literal',
        principal: 'User:ANONYMOUS',
        host: '*',
        operation: 'write',
        permission: 'allow',
      });
      const allowed = await client.call(apiKeys.Produce, 9, produceOf());
      expect(allowed.responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
      expect(partition?.requests.length).toBe(1);
    },
    { config: { security: { acl: { enabled: true } } } },
  );
});

test('a client over its quota is answered at once and then not read from until its debt is paid', async () => {
  await withDoor(async ({ services, connect, host }) => {
    services.addTopic('t');
    services.quotaOf = (_, clientId) => (clientId === 'test-client' ? { produceRate: 10 } : {});
    const client = await connect();
    const many = buildBatch(Array.from({ length: 30 }, () => record));
    const startedAt = host.clock.now();
    const answer = await client.call(apiKeys.Produce, 9, produceOf({ records: many }));
    expect(answer.throttleTimeMs).toBe(2_000);
    expect(host.clock.now() - startedAt).toBeLessThan(100);
    await client.call(apiKeys.ApiVersions, 0, {});
    expect(host.clock.now() - startedAt).toBeGreaterThanOrEqual(1_999);
    const other = await connect();
    other.clientId = 'other';
    expect((await other.call(apiKeys.Produce, 9, produceOf({ records: many }))).throttleTimeMs).toBe(0);
  });
});

test('a quota of the configuration holds for everybody without one that was set', async () => {
  await withDoor(
    async ({ services, connect }) => {
      services.addTopic('t');
      services.quotaOf = (_, clientId) => (clientId === 'big' ? { produceRate: 1_000 } : {});
      const many = produceOf({ records: buildBatch(Array.from({ length: 30 }, () => record)) });
      const client = await connect();
      expect((await client.call(apiKeys.Produce, 9, many)).throttleTimeMs).toBe(2_000);
      const big = await connect();
      big.clientId = 'big';
      expect((await big.call(apiKeys.Produce, 9, many)).throttleTimeMs).toBe(0);
    },
    { config: { quotas: { default: { produce_rate: 10 } } } },
  );
});

test('the first batch of a transaction in a partition is verified; later ones are not', async () => {
  await withDoor(async ({ services, connect }) => {
    const [partition] = services.addTopic('t');
    const client = await connect();
    const sent = () => produceOf({ records: transactional(), transactionalId: 'x' });
    expect((await client.call(apiKeys.Produce, 11, sent())).responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
    expect(services.verified).toEqual([
      {
        transactionalId: 'x',
        producerId: 4,
        producerEpoch: 1,
        partitions: [{ topic: 't', partition: 0 }],
        groupId: undefined,
        add: false,
      },
    ]);
    partition?.openTransactions.add('4/1');
    await client.call(apiKeys.Produce, 11, sent());
    expect(services.verified.length).toBe(1);
    partition?.openTransactions.clear();
    await client.call(apiKeys.Produce, 12, sent());
    expect(services.verified[1]).toMatchObject({ add: true });
  });
});

test("the coordinator's refusal is given in numbers that the version knows, and nothing is appended", async () => {
  await withDoor(async ({ services, connect }) => {
    const [partition] = services.addTopic('t');
    const client = await connect();
    const errorOf = async (version: number, code: number) => {
      services.verifyCode = code;
      const answer = await client.call(apiKeys.Produce, version, {
        ...produceOf({ records: transactional(), transactionalId: 'x' }),
      });
      return answer.responses[0]?.partitionResponses[0]?.errorCode;
    };
    expect(await errorOf(10, 48)).toBe(48);
    expect(await errorOf(11, 48)).toBe(120);
    expect(await errorOf(11, 90)).toBe(47);
    expect(await errorOf(11, 51)).toBe(19);
    expect(await errorOf(12, 51)).toBe(51);
    expect(await errorOf(11, 16)).toBe(19);
    expect(await errorOf(11, 7)).toBe(19);
    expect(await errorOf(11, 49)).toBe(49);
    expect(partition?.requests).toEqual([]);
  });
});

test('batches behind one that is verified wait for it: a connection keeps its order', async () => {
  await withDoor(async ({ services, connect, host }) => {
    const [partition] = services.addTopic('t');
    let settle: ((code: number) => void) | undefined;
    services.verifyCode = () =>
      new Promise((resolve) => {
        settle = resolve;
      });
    const client = await connect();
    await client.send(apiKeys.Produce, 11, produceOf({ records: transactional(4, 1, 0), transactionalId: 'x' }));
    await client.send(apiKeys.Produce, 11, produceOf({ records: transactional(4, 1, 1), transactionalId: 'x' }));
    await client.send(apiKeys.Produce, 11, produceOf());
    await host.clock.sleep(50);
    expect(partition?.requests.length).toBe(0);
    partition?.openTransactions.add('4/1');
    settle?.(0);
    for (let n = 0; n < 3; n++) {
      const answer = await client.receive(apiKeys.Produce, 11);
      expect(answer?.body.responses[0]?.partitionResponses[0]?.baseOffset).toBe(n);
    }
    expect(services.verified.length).toBe(1);
  });
});

test('a verification that an end overtook is made again; one that is always overtaken is refused with 19', async () => {
  await withDoor(async ({ services, connect }) => {
    const [partition] = services.addTopic('t');
    if (partition === undefined) throw new Error('the topic has a partition');
    const client = await connect();
    const sent = () => produceOf({ records: transactional(), transactionalId: 'x' });
    services.verifyCode = async () => {
      if (services.verified.length === 1) partition.transactionEnds += 1;
      return 0;
    };
    expect((await client.call(apiKeys.Produce, 11, sent())).responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
    expect(services.verified.length).toBe(2);
    services.verifyCode = async () => {
      partition.transactionEnds += 1;
      return 0;
    };
    const overtaken = await client.call(apiKeys.Produce, 11, sent());
    expect(overtaken.responses[0]?.partitionResponses[0]?.errorCode).toBe(19);
    expect(partition.requests.length).toBe(1);
  });
});

test('a slow append is in the slow log, with where its time went', async () => {
  await withDoor(async ({ services, connect, host, listener }) => {
    const [partition] = services.addTopic('t');
    partition?.hold();
    const client = await connect();
    await client.send(apiKeys.Produce, 9, produceOf());
    await host.clock.sleep(700);
    partition?.release();
    await client.receive(apiKeys.Produce, 9);
    expect(listener.slowLog.entries()).toEqual([
      {
        at: expect.stringMatching(/^2026-01-01T00:00:00\.\d{3}Z$/),
        api: 'Produce',
        client_id: 'test-client',
        topic: 't',
        partition: 0,
        duration_ms: expect.any(Number),
        journal_ms: 1,
        replicate_ms: 2,
      },
    ]);
  });
});

test('what a partition has no room for at the moment waits, and what comes after it on the connection waits behind it', async () => {
  await withDoor(async ({ services, connect, host }) => {
    const [crowded, free] = services.addTopic('t', 2);
    crowded?.crowd();
    const client = await connect();
    for (const index of [0, 0, 1]) await client.send(apiKeys.Produce, 9, produceOf({ index }));
    await host.clock.sleep(900);
    expect([crowded?.requests.length, free?.requests.length]).toEqual([0, 0]);
    crowded?.makeRoom();
    for (const baseOffset of [0, 1, 0]) {
      const answer = await client.receive(apiKeys.Produce, 9);
      expect(answer?.body.responses[0]?.partitionResponses[0]).toMatchObject({ errorCode: 0, baseOffset });
    }
    // It gave its place up only when it had appended: before that somebody else would have been let in.
    expect(crowded?.placesAtAppend).toEqual([1, 0]);
    expect(crowded?.waits.map(({ aborted }) => aborted)).toEqual([true]);
    // What is left of the request's own 1,000 ms is the append's.
    expect(crowded?.requests[0]?.timeoutMs).toBeLessThan(110);
    expect(crowded?.requests[0]?.timeoutMs).toBeGreaterThan(0);
  });
});

test('what finds no room within the request time-out is refused with 19: nothing was appended', async () => {
  await withDoor(async ({ services, connect, host }) => {
    const [partition] = services.addTopic('t');
    partition?.crowd();
    const client = await connect();
    const begunMs = host.clock.now();
    const answer = await client.call(apiKeys.Produce, 9, produceOf());
    expect(answer.responses[0]?.partitionResponses[0]).toMatchObject({ errorCode: 19, baseOffset: -1 });
    expect(host.clock.now() - begunMs).toBeGreaterThanOrEqual(1_000);
    expect(partition?.batches).toEqual([]);
    expect(partition?.waits.map(({ aborted }) => aborted)).toEqual([true]);
  });
});

test('nobody waits for room on behalf of a connection that is gone', async () => {
  await withDoor(async ({ services, connect, host }) => {
    const [partition] = services.addTopic('t');
    partition?.crowd();
    const client = await connect();
    await client.send(apiKeys.Produce, 9, produceOf());
    await host.clock.sleep(100);
    expect(partition?.waits.map(({ aborted }) => aborted)).toEqual([false]);
    client.connection.destroy();
    await host.clock.sleep(300);
    expect(partition?.waits.map(({ aborted }) => aborted)).toEqual([true]);
  });
});
