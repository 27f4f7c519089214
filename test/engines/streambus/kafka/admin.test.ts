import { expect, test } from 'vitest';
import { MetaError } from '../../../../src/engines/streambus/meta/commands.ts';
import type { AclBinding } from '../../../../src/engines/streambus/meta/metadata.ts';
import { apiKeys } from '../../../../src/wire/kafka/apis.ts';
import { withDoor } from './support/doorWorld.ts';

const done = { errorCode: 0, errorMessage: undefined };

test('DeleteTopics takes names and ids, and passes the refusals on', async () => {
  await withDoor(async ({ services, connect }) => {
    services.addTopic('a');
    const topicId = services.topicMap.get('a')?.id ?? new Uint8Array(16);
    services.answerCommand = (command) =>
      command.type === 'delete-topics'
        ? command.topics.map(({ name, id }) => ({
            ...(name === 'missing' ? { errorCode: 3, errorMessage: 'there is none' } : done),
            name: name ?? 'a',
            id: id ?? '',
            partitions: 1,
            replication: 1,
          }))
        : [];
    const client = await connect();
    const byName = await client.call(apiKeys.DeleteTopics, 5, { topicNames: ['a', 'missing'], timeoutMs: 1_000 });
    expect(byName.responses.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      ['a', 0],
      ['missing', 3],
    ]);
    const byId = await client.call(apiKeys.DeleteTopics, 6, { topics: [{ name: null, topicId }], timeoutMs: 1_000 });
    expect(byId.responses).toMatchObject([{ name: 'a', errorCode: 0 }]);
    expect(services.commandsSeen[1]).toMatchObject({
      topics: [{ name: undefined, id: Buffer.from(topicId).toString('hex') }],
    });
  });
});

test('where the metadata cannot be changed in time the answer is 7', async () => {
  await withDoor(async ({ services, connect }) => {
    services.answerCommand = () => {
      throw new MetaError('unknown', 'no leader');
    };
    const client = await connect();
    const deleted = await client.call(apiKeys.DeleteTopics, 5, { topicNames: ['a'], timeoutMs: 10 });
    expect(deleted.responses[0]).toMatchObject({ errorCode: 7, errorMessage: 'no leader' });
    const created = await client.call(apiKeys.CreateTopics, 5, {
      topics: [{ name: 'a', numPartitions: 1, replicationFactor: 1 }],
      timeoutMs: 10,
    });
    expect(created.topics[0]).toMatchObject({ errorCode: 7 });
    const grown = await client.call(apiKeys.CreatePartitions, 3, { topics: [{ name: 'a', count: 3 }], timeoutMs: 10 });
    expect(grown.results[0]).toMatchObject({ errorCode: 7 });
    const altered = await client.call(apiKeys.AlterClientQuotas, 1, {
      entries: [{ entity: [{ entityType: 'user', entityName: 'a' }], ops: [] }],
    });
    expect(altered.entries[0]).toMatchObject({ errorCode: 7 });
  });
});

test('DeleteRecords moves the start, -1 means the high watermark', async () => {
  await withDoor(async ({ services, connect }) => {
    const [partition] = services.addTopic('t');
    services.addTopic('there', 1, [0]);
    if (partition !== undefined) partition.highWatermark = 10;
    const client = await connect();
    const deleteTo = async (name: string, offset: number) => {
      const topics = [{ name, partitions: [{ partitionIndex: 0, offset }] }];
      const answer = await client.call(apiKeys.DeleteRecords, 2, { topics, timeoutMs: 1_000 });
      return answer.topics[0]?.partitions[0];
    };
    expect(await deleteTo('t', 4)).toMatchObject({ errorCode: 0, lowWatermark: 4 });
    expect(await deleteTo('t', 11)).toMatchObject({ errorCode: 1, lowWatermark: -1 });
    expect(await deleteTo('t', -2)).toMatchObject({ errorCode: 1 });
    expect(await deleteTo('t', -1)).toMatchObject({ errorCode: 0, lowWatermark: 10 });
    expect(await deleteTo('there', 1)).toMatchObject({ errorCode: 6 });
    expect(await deleteTo('nothing', 1)).toMatchObject({ errorCode: 3 });
  });
});

test('settings are described for topics and this broker, and altered for topics', async () => {
  await withDoor(async ({ services, connect }) => {
    services.addTopic('t');
    services.answerCommand = (command) => {
      if (command.type !== 'alter-configs') throw new Error(`expected alter-configs, got ${command.type}`);
      return command.resources.map(({ type, name }) => ({ ...done, type, name }));
    };
    const client = await connect();
    for (let version = 0; version <= 4; version++) {
      const answer = await client.call(apiKeys.DescribeConfigs, version, {
        resources: [
          { resourceType: 2, resourceName: 't', configurationKeys: ['retention.ms', 'no.such'] },
          { resourceType: 4, resourceName: '1', configurationKeys: null },
          { resourceType: 4, resourceName: '2', configurationKeys: null },
          { resourceType: 2, resourceName: 'missing', configurationKeys: null },
          { resourceType: 8, resourceName: '1', configurationKeys: null },
        ],
      });
      expect(answer.results.map(({ errorCode }) => errorCode)).toEqual([0, 0, 42, 3, 42]);
      expect(answer.results[0]?.configs).toMatchObject([{ name: 'retention.ms', value: '604800000', readOnly: false }]);
      expect(answer.results[1]?.configs.find(({ name }) => name === 'broker.id')).toMatchObject({
        value: '1',
        readOnly: true,
      });
    }
    const incremental = await client.call(apiKeys.IncrementalAlterConfigs, 1, {
      resources: [
        { resourceType: 2, resourceName: 't', configs: [{ name: 'retention.ms', configOperation: 1, value: null }] },
        { resourceType: 2, resourceName: 't', configs: [{ name: 'retention.ms', configOperation: 7, value: null }] },
        { resourceType: 8, resourceName: '1', configs: [] },
      ],
    });
    expect(incremental.responses.map(({ errorCode }) => errorCode)).toEqual([0, 42, 42]);
    const replaced = await client.call(apiKeys.AlterConfigs, 2, {
      resources: [{ resourceType: 2, resourceName: 't', configs: [{ name: 'retention.ms', value: '7' }] }],
    });
    expect(replaced.responses.map(({ errorCode }) => errorCode)).toEqual([0]);
    expect(services.commandsSeen).toMatchObject([
      { resources: [{ mode: 'incremental', changes: [{ operation: 'delete', value: undefined }] }] },
      { resources: [{ mode: 'replace', changes: [{ operation: 'set', value: '7' }] }] },
    ]);
  });
});

test('the lead goes to the preferred replica when it is asked for; an unclean election is refused', async () => {
  await withDoor(async ({ services, connect }) => {
    services.addTopic('t', 2, [1]);
    const client = await connect();
    const elect = (electionType: number, partitions: readonly number[]) =>
      client.call(apiKeys.ElectLeaders, 2, {
        electionType,
        topicPartitions: [{ topic: 't', partitions }],
        timeoutMs: 1_000,
      });
    const answer = await elect(0, [0, 1, 2]);
    expect(answer.replicaElectionResults[0]?.partitionResult.map(({ errorCode }) => errorCode)).toEqual([84, 0, 3]);
    expect(services.transfers).toEqual([{ group: 1025, to: 1 }]);
    const unclean = await elect(1, [1]);
    expect(unclean.replicaElectionResults[0]?.partitionResult[0]?.errorCode).toBe(83);
    const all = await client.call(apiKeys.ElectLeaders, 2, { topicPartitions: null, timeoutMs: 1_000 });
    expect(all.replicaElectionResults[0]?.partitionResult.map(({ partitionId }) => partitionId)).toEqual([1]);
  });
});

test('reassignments: what is so already succeeds, moves are refused, none is under way', async () => {
  await withDoor(async ({ services, connect }) => {
    services.addTopic('t');
    const client = await connect();
    const alter = async (replicas: number[] | null, partitionIndex = 0) => {
      const topics = [{ name: 't', partitions: [{ partitionIndex, replicas }] }];
      const answer = await client.call(apiKeys.AlterPartitionReassignments, 0, { topics });
      return answer.responses[0]?.partitions[0]?.errorCode;
    };
    expect(await alter([1, 2])).toBe(0);
    expect(await alter([2, 1])).toBe(39);
    expect(await alter(null)).toBe(85);
    expect(await alter([1], 4)).toBe(3);
    const listed = await client.call(apiKeys.ListPartitionReassignments, 0, {});
    expect([listed.errorCode, listed.topics]).toEqual([0, []]);
  });
});

test('quotas go to the metadata under its names', async () => {
  await withDoor(async ({ services, connect }) => {
    services.answerCommand = (command) => (command.type === 'alter-quotas' ? command.entries.map(() => done) : []);
    const client = await connect();
    const answer = await client.call(apiKeys.AlterClientQuotas, 1, {
      entries: [
        {
          entity: [
            { entityType: 'user', entityName: 'alice' },
            { entityType: 'client-id', entityName: null },
          ],
          ops: [
            { key: 'producer_byte_rate', value: 100 },
            { key: 'fetch_rate', remove: true },
          ],
        },
        { entity: [{ entityType: 'ip', entityName: '::1' }], ops: [] },
        { entity: [{ entityType: 'user', entityName: 'a' }], ops: [{ key: 'request_percentage', value: 1 }] },
      ],
    });
    expect(answer.entries.map(({ errorCode }) => errorCode)).toEqual([0, 42, 42]);
    expect(services.commandsSeen).toEqual([
      {
        type: 'alter-quotas',
        entries: [
          {
            entity: { user: 'alice', clientId: null },
            changes: [
              { key: 'produceBytesRate', value: 100 },
              { key: 'fetchRate', value: undefined },
            ],
          },
        ],
        replaceAll: false,
        validateOnly: false,
      },
    ]);
    const described = await client.call(apiKeys.DescribeClientQuotas, 1, { components: [], strict: false });
    expect([described.errorCode, described.entries]).toEqual([0, []]);
    const bad = await client.call(apiKeys.DescribeClientQuotas, 1, {
      components: [{ entityType: 'ip', matchType: 2, match: null }],
      strict: false,
    });
    expect(bad.errorCode).toBe(42);
  });
});

test('credentials are stored derived, and shown without their secrets', async () => {
  await withDoor(async ({ services, connect }) => {
    services.answerCommand = (command) => {
      if (command.type !== 'alter-scram') throw new Error(`expected alter-scram, got ${command.type}`);
      for (const { user, ...credential } of command.upserts) services.credentialMap.set(user, [credential]);
      return [...command.upserts, ...command.deletions].map(({ user }) => ({ ...done, user }));
    };
    const client = await connect();
    const salted = new Uint8Array(32).fill(7);
    const answer = await client.call(apiKeys.AlterUserScramCredentials, 0, {
      deletions: [],
      upsertions: [
        { name: 'alice', mechanism: 1, iterations: 4_096, salt: new Uint8Array(16), saltedPassword: salted },
        { name: 'short', mechanism: 2, iterations: 4_096, salt: new Uint8Array(16), saltedPassword: salted },
        { name: 'odd', mechanism: 9, iterations: 4_096, salt: new Uint8Array(16), saltedPassword: salted },
      ],
    });
    expect(answer.results.map(({ user, errorCode }) => [user, errorCode])).toEqual([
      ['alice', 0],
      ['short', 93],
      ['odd', 33],
    ]);
    const stored = services.credentialMap.get('alice')?.[0];
    expect(stored?.storedKey.length).toBe(32);
    expect(stored?.storedKey).not.toEqual(salted);
    const described = await client.call(apiKeys.DescribeUserScramCredentials, 0, {
      users: [{ name: 'alice' }, { name: 'nobody' }],
    });
    expect(described.results).toMatchObject([
      { user: 'alice', errorCode: 0, credentialInfos: [{ mechanism: 1, iterations: 4_096 }] },
      { user: 'nobody', errorCode: 91 },
    ]);
  });
});

test('without rules in force the ACL requests get 54', async () => {
  await withDoor(async ({ connect }) => {
    const client = await connect();
    const filter = {
      resourceTypeFilter: 1,
      resourceNameFilter: null,
      patternTypeFilter: 1,
      principalFilter: null,
      hostFilter: null,
      operation: 1,
      permissionType: 1,
    };
    expect((await client.call(apiKeys.DescribeAcls, 2, filter)).errorCode).toBe(54);
    expect((await client.call(apiKeys.DeleteAcls, 2, { filters: [filter] })).filterResults[0]?.errorCode).toBe(54);
  });
});

test('rules are created, described by a filter and deleted; who may not gets 31', async () => {
  await withDoor(
    async ({ services, connect }) => {
      services.answerCommand = (command) => {
        if (command.type === 'create-acls') {
          services.acls.push(...command.bindings);
          return command.bindings.map(() => done);
        }
        return [{ deleted: services.acls.splice(0) }];
      };
      const client = await connect();
      const creation = {
        resourceType: 2,
        resourceName: 'or',
        resourcePatternType: 4,
        principal: 'User:alice',
        host: '*',
        operation: 3,
        permissionType: 3,
      };
      const answer = await client.call(apiKeys.CreateAcls, 2, {
        creations: [creation, { ...creation, operation: 1 }, { ...creation, resourceType: 4 }],
      });
      expect(answer.results.map(({ errorCode }) => errorCode)).toEqual([0, 42, 42]);
      const filter = {
        resourceTypeFilter: 2,
        resourceNameFilter: 'orders',
        patternTypeFilter: 2,
        principalFilter: null,
        hostFilter: null,
        operation: 1,
        permissionType: 1,
      };
      const described = await client.call(apiKeys.DescribeAcls, 2, filter);
      expect(described.resources).toEqual([
        {
          resourceType: 2,
          resourceName: 'or',
          patternType: 4,
          acls: [{ principal: 'User:alice', host: '*', operation: 3, permissionType: 3 }],
        },
      ]);
      const deleted = await client.call(apiKeys.DeleteAcls, 2, { filters: [filter] });
      expect(deleted.filterResults[0]?.matchingAcls).toMatchObject([{ resourceName: 'or', patternType: 4 }]);
      services.config.security.acl.super_users.splice(0);
    },
    { config: { security: { acl: { enabled: true, super_users: ['User:ANONYMOUS'] } } } },
  );
  await withDoor(
    async ({ services, connect }) => {
      services.addTopic('t');
      const client = await connect();
      expect((await client.call(apiKeys.DescribeUserScramCredentials, 0, { users: null })).errorCode).toBe(31);
      expect((await client.call(apiKeys.DescribeClientQuotas, 1, { components: [], strict: false })).errorCode).toBe(
        31,
      );
      expect((await client.call(apiKeys.ElectLeaders, 2, { topicPartitions: null })).errorCode).toBe(31);
      const deleted = await client.call(apiKeys.DeleteTopics, 5, { topicNames: ['t'], timeoutMs: 10 });
      expect(deleted.responses[0]?.errorCode).toBe(29);
      const rule: AclBinding = {
        resourceType: 'cluster',
        resourceName: 'kafka-cluster',
        patternType: 'literal',
        principal: 'User:ANONYMOUS',
        host: '*',
        operation: 'describe',
        permission: 'allow',
      };
      services.acls.push(rule);
      expect((await client.call(apiKeys.DescribeUserScramCredentials, 0, { users: null })).errorCode).toBe(0);
    },
    { config: { security: { acl: { enabled: true } } } },
  );
});

test('the cluster, its producers and its topics are described, page by page', async () => {
  await withDoor(async ({ services, connect }) => {
    services.addTopic('b', 3);
    services.addTopic('a', 2);
    const client = await connect();
    const cluster = await client.call(apiKeys.DescribeCluster, 1, {});
    expect(cluster).toMatchObject({ errorCode: 0, clusterId: 'test-cluster', controllerId: 1 });
    expect(cluster.brokers.map(({ brokerId }) => brokerId)).toEqual([1, 2]);
    expect((await client.call(apiKeys.DescribeCluster, 1, { endpointType: 2 })).errorCode).toBe(115);
    const producers = await client.call(apiKeys.DescribeProducers, 0, {
      topics: [{ name: 'a', partitionIndexes: [0, 7] }],
    });
    expect(producers.topics[0]?.partitions).toMatchObject([
      { errorCode: 0, activeProducers: [{ producerId: 4, producerEpoch: 1 }] },
      { errorCode: 3, activeProducers: [] },
    ]);
    const pages: [string | null, number[]][] = [];
    let cursor: { readonly topicName: string; readonly partitionIndex: number } | null = null;
    do {
      const page: Awaited<ReturnType<typeof describePage>> = await describePage(cursor);
      for (const topic of page.topics) pages.push([topic.name, topic.partitions.map((one) => one.partitionIndex)]);
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(pages).toEqual([
      ['a', [0, 1]],
      ['b', [0]],
      ['b', [1, 2]],
    ]);
    function describePage(from: typeof cursor) {
      return client.call(apiKeys.DescribeTopicPartitions, 0, {
        topics: [],
        responsePartitionLimit: 3,
        cursor: from,
      });
    }
  });
});

test('DeleteTopics by an id that is not known here deletes nothing: nobody could say who may', async () => {
  await withDoor(
    async ({ services, connect }) => {
      const client = await connect();
      const topics = [{ name: null, topicId: new Uint8Array(16).fill(9) }];
      const deleted = await client.call(apiKeys.DeleteTopics, 6, { topics, timeoutMs: 10 });
      expect(deleted.responses).toMatchObject([{ name: null, errorCode: 100 }]);
      expect(services.commandsSeen).toEqual([]);
    },
    { config: { security: { acl: { enabled: true } } } },
  );
});

test('who may write to some topic is given a producer id, others are not (KIP-679)', async () => {
  await withDoor(
    async ({ services, connect }) => {
      const client = await connect();
      const ask = () => client.call(apiKeys.InitProducerId, 4, { transactionalId: null, transactionTimeoutMs: 1_000 });
      expect(await ask()).toMatchObject({ errorCode: 31 });
      services.acls.push({
        resourceType: 'topic',
        resourceName: 'orders-',
        patternType: 'prefixed',
        principal: 'User:ANONYMOUS',
        host: '*',
        operation: 'write',
        permission: 'allow',
      });
      expect(await ask()).toMatchObject({ errorCode: 0, producerId: 4_000, producerEpoch: 0 });
    },
    { config: { security: { acl: { enabled: true } } } },
  );
});
