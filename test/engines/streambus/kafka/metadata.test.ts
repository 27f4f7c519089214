import { expect, test } from 'vitest';
import type { MetaCommand } from '../../../../src/engines/streambus/meta/commands.ts';
import { apiKeys, apis } from '../../../../src/wire/kafka/apis.ts';
import { withDoor } from './support/doorWorld.ts';
import type { FakeServices } from './support/fakeServices.ts';

/** Makes the topics of a command, as the cluster would. */
function creating(services: FakeServices) {
  return (command: MetaCommand) => {
    if (command.type !== 'create-topics') throw new Error(`expected create-topics, got ${command.type}`);
    return command.topics.map(({ name, id }) => {
      if (!command.validateOnly) services.addTopic(name, 2);
      return { errorCode: 0, errorMessage: undefined, name, id, partitions: 2, replication: 2 };
    });
  };
}

test('ApiVersions lists what is spoken, in the oldest header, with version 2 of transactions', async () => {
  await withDoor(async ({ connect }) => {
    const client = await connect();
    for (const version of [0, 1, 2, 3, 4]) {
      const named = { clientSoftwareName: 'kcat', clientSoftwareVersion: '1.7.1' };
      const answer = await client.call(apiKeys.ApiVersions, version, named);
      expect(answer.errorCode).toBe(0);
      expect(answer.apiKeys).toEqual(
        apis.map(({ key, min, max }) => ({ apiKey: key, minVersion: min, maxVersion: max })),
      );
    }
    const answer = await client.call(apiKeys.ApiVersions, 4, { clientSoftwareName: 'a', clientSoftwareVersion: '1' });
    expect(answer.finalizedFeatures).toEqual([{ name: 'transaction.version', maxVersionLevel: 2, minVersionLevel: 2 }]);
    const unnamed = await client.call(apiKeys.ApiVersions, 3, { clientSoftwareName: ' ', clientSoftwareVersion: '' });
    expect(unnamed.errorCode).toBe(42);
  });
});

test('every version of Metadata names brokers, leaders and replicas', async () => {
  await withDoor(async ({ services, connect }) => {
    services.addTopic('t', 2, [1]);
    const client = await connect();
    for (let version = 0; version <= 12; version++) {
      const answer = await client.call(apiKeys.Metadata, version, { topics: version === 0 ? [] : null });
      expect(answer.brokers.map(({ nodeId, host, port }) => [nodeId, host, port])).toEqual([
        [1, 'b1', 9092],
        [2, 'b2', 9092],
      ]);
      expect(answer.topics[0]?.name).toBe('t');
      expect(answer.topics[0]?.partitions.map(({ leaderId, replicaNodes }) => [leaderId, replicaNodes])).toEqual([
        [1, [1, 2]],
        [2, [1, 2]],
      ]);
      if (version >= 1) expect(answer.controllerId).toBe(1);
      if (version >= 2) expect(answer.clusterId).toBe('test-cluster');
    }
    expect((await client.call(apiKeys.Metadata, 1, { topics: [] })).topics).toEqual([]);
  });
});

test('a topic is found by its id; an unknown id is 100, a bad name 17', async () => {
  await withDoor(async ({ services, connect }) => {
    services.addTopic('t');
    const topicId = services.topicMap.get('t')?.id ?? new Uint8Array(16);
    const client = await connect();
    const answer = await client.call(apiKeys.Metadata, 12, {
      topics: [
        { topicId, name: null },
        { topicId: new Uint8Array(16).fill(88), name: null },
        { name: 'no such/name' },
        { name: '' },
        { name: 'a'.repeat(250) },
      ],
      allowAutoTopicCreation: false,
    });
    expect(answer.topics.map(({ errorCode, name }) => [errorCode, name?.slice(0, 12) ?? null])).toEqual([
      [0, 't'],
      [100, null],
      [17, 'no such/name'],
      [17, ''],
      [17, 'aaaaaaaaaaaa'],
    ]);
  });
});

test('a missing topic is made where both sides allow it, else it is 3', async () => {
  await withDoor(async ({ services, connect }) => {
    services.answerCommand = creating(services);
    const client = await connect();
    const asked = (allowAutoTopicCreation: boolean) =>
      client.call(apiKeys.Metadata, 9, { topics: [{ name: 'new' }], allowAutoTopicCreation });
    expect((await asked(false)).topics[0]).toMatchObject({ errorCode: 3, partitions: [] });
    expect(services.commandsSeen).toEqual([]);
    const made = await asked(true);
    expect(made.topics[0]).toMatchObject({ errorCode: 0, name: 'new' });
    expect(made.topics[0]?.partitions.length).toBe(2);
    services.config.topics.auto_create = false;
    const other = await client.call(apiKeys.Metadata, 9, { topics: [{ name: 'other' }] });
    expect(other.topics[0]?.errorCode).toBe(3);
  });
});

test('CreateTopics passes on what it was given and tells what was made', async () => {
  await withDoor(async ({ services, connect }) => {
    services.answerCommand = creating(services);
    const client = await connect();
    for (let version = 0; version <= 7; version++) {
      const answer = await client.call(apiKeys.CreateTopics, version, {
        topics: [
          {
            name: `t${version}`,
            numPartitions: 2,
            replicationFactor: 2,
            configs: [{ name: 'retention.ms', value: '5' }],
          },
          {
            name: 'bad',
            numPartitions: -1,
            replicationFactor: -1,
            assignments: [{ partitionIndex: 1, brokerIds: [1] }],
          },
          { name: 'null', numPartitions: 1, replicationFactor: 1, configs: [{ name: 'retention.ms', value: null }] },
        ],
        timeoutMs: 1_000,
      });
      expect(answer.topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([
        [`t${version}`, 0],
        ['bad', 39],
        ['null', 40],
      ]);
      if (version < 5) continue;
      expect(answer.topics[0]).toMatchObject({ numPartitions: 2, replicationFactor: 2 });
      const retention = answer.topics[0]?.configs?.find(({ name }) => name === 'retention.ms');
      expect(retention).toMatchObject({ value: '5', configSource: 1 });
    }
    expect(services.commandsSeen[0]).toMatchObject({
      type: 'create-topics',
      topics: [{ name: 't0', partitions: 2, replication: 2, assignment: undefined, configs: { 'retention.ms': '5' } }],
    });
  });
});
