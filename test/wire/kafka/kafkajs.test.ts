import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { type ApiName, apiKeys, apiOf } from '../../../src/wire/kafka/apis.ts';
import { decodeRequest, decodeRequestHeader } from '../../../src/wire/kafka/codec.ts';

const require = createRequire(import.meta.url);
const encodeFrame = require('kafkajs/src/protocol/request.js');
const { requests } = require('kafkajs/src/protocol/requests/index.js');

const txn = { transactionalId: 'tx', producerId: '1234567890123', producerEpoch: 7 };
const txnRead = { transactionalId: 'tx', producerId: 1_234_567_890_123, producerEpoch: 7 };
const member = { groupId: 'g', memberId: 'm', groupGenerationId: 4, generationId: 4 };

/** What kafkajs is given, and what we must read in every version that it speaks and that is known here. */
const cases: readonly (readonly [ApiName, string, unknown, object])[] = [
  [
    'Metadata',
    'Metadata',
    { topics: ['a', 'ü'], allowAutoTopicCreation: true },
    { topics: [{ name: 'a' }, { name: 'ü' }] },
  ],
  [
    'Fetch',
    'Fetch',
    {
      replicaId: -1,
      maxWaitTime: 500,
      minBytes: 1,
      maxBytes: 1000,
      isolationLevel: 0,
      topics: [{ topic: 't', partitions: [{ partition: 3, fetchOffset: '9007199254740991', maxBytes: 100 }] }],
    },
    {
      maxWaitMs: 500,
      topics: [
        { topic: 't', partitions: [{ partition: 3, fetchOffset: 9_007_199_254_740_991, partitionMaxBytes: 100 }] },
      ],
    },
  ],
  [
    'ListOffsets',
    'ListOffsets',
    { replicaId: -1, isolationLevel: 1, topics: [{ topic: 't', partitions: [{ partition: 1, timestamp: -2 }] }] },
    { topics: [{ name: 't', partitions: [{ partitionIndex: 1, timestamp: -2 }] }] },
  ],
  [
    'OffsetCommit',
    'OffsetCommit',
    {
      ...member,
      retentionTime: -1,
      topics: [{ topic: 't', partitions: [{ partition: 1, offset: '77', metadata: null }] }],
    },
    { groupId: 'g', topics: [{ name: 't', partitions: [{ partitionIndex: 1, committedOffset: 77 }] }] },
  ],
  [
    'OffsetFetch',
    'OffsetFetch',
    { groupId: 'g', topics: [{ topic: 't', partitions: [{ partition: 1 }, { partition: 2 }] }] },
    { groupId: 'g', topics: [{ name: 't', partitionIndexes: [1, 2] }] },
  ],
  [
    'FindCoordinator',
    'GroupCoordinator',
    { groupId: 'g', coordinatorKey: 'g', coordinatorType: 0 },
    { key: 'g', keyType: 0 },
  ],
  [
    'JoinGroup',
    'JoinGroup',
    {
      groupId: 'g',
      sessionTimeout: 6000,
      rebalanceTimeout: 7000,
      memberId: '',
      protocolType: 'consumer',
      groupProtocols: [{ name: 'range', metadata: Buffer.from([1, 2]) }],
    },
    {
      groupId: 'g',
      sessionTimeoutMs: 6000,
      memberId: '',
      protocols: [{ name: 'range', metadata: Buffer.from([1, 2]) }],
    },
  ],
  ['Heartbeat', 'Heartbeat', { ...member, groupInstanceId: null }, { groupId: 'g', generationId: 4, memberId: 'm' }],
  ['LeaveGroup', 'LeaveGroup', { groupId: 'g', memberId: 'm', members: [{ memberId: 'm' }] }, { groupId: 'g' }],
  [
    'SyncGroup',
    'SyncGroup',
    { ...member, groupAssignment: [{ memberId: 'm', memberAssignment: Buffer.from([9]) }] },
    { groupId: 'g', generationId: 4, assignments: [{ memberId: 'm', assignment: Buffer.from([9]) }] },
  ],
  ['DescribeGroups', 'DescribeGroups', { groupIds: ['g', 'h'] }, { groups: ['g', 'h'] }],
  ['SaslHandshake', 'SaslHandshake', { mechanism: 'PLAIN' }, { mechanism: 'PLAIN' }],
  [
    'CreateTopics',
    'CreateTopics',
    {
      timeout: 1234,
      topics: [{ topic: 't', numPartitions: 3, replicationFactor: 2, configEntries: [{ name: 'k', value: 'v' }] }],
    },
    {
      timeoutMs: 1234,
      topics: [{ name: 't', numPartitions: 3, replicationFactor: 2, configs: [{ name: 'k', value: 'v' }] }],
    },
  ],
  ['DeleteTopics', 'DeleteTopics', { topics: ['t'], timeout: 55 }, { topicNames: ['t'], timeoutMs: 55 }],
  [
    'DeleteRecords',
    'DeleteRecords',
    { timeout: 5, topics: [{ topic: 't', partitions: [{ partition: 0, offset: '-1' }] }] },
    { topics: [{ name: 't', partitions: [{ partitionIndex: 0, offset: -1 }] }] },
  ],
  [
    'InitProducerId',
    'InitProducerId',
    { transactionalId: null, transactionTimeout: 30 },
    { transactionalId: null, transactionTimeoutMs: 30 },
  ],
  [
    'AddPartitionsToTxn',
    'AddPartitionsToTxn',
    { ...txn, topics: [{ topic: 't', partitions: [0, 1] }] },
    { ...txnRead, topics: [{ name: 't', partitions: [0, 1] }] },
  ],
  ['AddOffsetsToTxn', 'AddOffsetsToTxn', { ...txn, groupId: 'g' }, { ...txnRead, groupId: 'g' }],
  ['EndTxn', 'EndTxn', { ...txn, transactionResult: true }, { ...txnRead, committed: true }],
  [
    'TxnOffsetCommit',
    'TxnOffsetCommit',
    { ...txn, groupId: 'g', topics: [{ topic: 't', partitions: [{ partition: 2, offset: 5, metadata: null }] }] },
    { ...txnRead, topics: [{ name: 't', partitions: [{ partitionIndex: 2, committedOffset: 5 }] }] },
  ],
  [
    'CreatePartitions',
    'CreatePartitions',
    { topicPartitions: [{ topic: 't', count: 4, assignments: [] }], timeout: 9 },
    { topics: [{ name: 't', count: 4 }], timeoutMs: 9 },
  ],
  [
    'DescribeConfigs',
    'DescribeConfigs',
    { resources: [{ type: 2, name: 't', configNames: [] }] },
    { resources: [{ resourceType: 2, resourceName: 't' }] },
  ],
  [
    'AlterConfigs',
    'AlterConfigs',
    { resources: [{ type: 2, name: 't', configEntries: [{ name: 'k', value: 'v' }] }] },
    { resources: [{ resourceType: 2, resourceName: 't', configs: [{ name: 'k', value: 'v' }] }], validateOnly: false },
  ],
  ['DeleteGroups', 'DeleteGroups', ['g'], { groupsNames: ['g'] }],
  ['ListGroups', 'ListGroups', undefined, {}],
  [
    'CreateAcls',
    'CreateAcls',
    {
      creations: [
        {
          resourceType: 2,
          resourceName: 't',
          resourcePatternType: 3,
          principal: 'User:a',
          host: '*',
          operation: 3,
          permissionType: 3,
        },
      ],
    },
    { creations: [{ resourceType: 2, resourceName: 't', principal: 'User:a', operation: 3, permissionType: 3 }] },
  ],
];

describe('kafkajs', () => {
  it.each(cases)('should be understood when it asks %s', async (name, theirs, given, expected) => {
    const api = apiOf(apiKeys[name]);
    const versions = (requests[theirs].versions as string[]).map(Number).filter((one) => one >= (api?.lowest ?? 0));
    expect(versions.length).toBeGreaterThan(0);
    for (const version of versions) {
      const { request } = requests[theirs].protocol({ version })(given);
      const { buffer } = await encodeFrame({ correlationId: 42, clientId: 'js', request });
      const header = decodeRequestHeader(new Uint8Array(buffer.subarray(4)));
      expect(header).toMatchObject({ apiKey: apiKeys[name], apiVersion: version, correlationId: 42, clientId: 'js' });
      if (header.body === undefined) throw new Error(`version ${version} has a shape`);
      expect(plain(decodeRequest(apiKeys[name], version, header.body))).toMatchObject(plain(expected) as object);
    }
  });
});

/** Bytes of any kind in one form. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}
