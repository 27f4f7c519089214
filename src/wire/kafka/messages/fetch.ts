import {
  array,
  type Decoded,
  type Encodable,
  field,
  int8,
  int16,
  int32,
  int64,
  nullable,
  records,
  string,
  struct,
  throttleTimeMs,
  uuid,
  zeroUuid,
} from '../schema/types.ts';

export const fetchRequest = struct({
  clusterId: field(nullable(string), { since: 12, tag: 0, default: null }),
  replicaId: field(int32, { until: 14, default: -1 }),
  replicaState: field(
    struct({ replicaId: field(int32, { default: -1 }), replicaEpoch: field(int64, { default: -1 }) }),
    { since: 15, tag: 1, default: { replicaId: -1, replicaEpoch: -1 } },
  ),
  maxWaitMs: int32,
  minBytes: int32,
  maxBytes: field(int32, { since: 3, default: 0x7fffffff }),
  /** 0 read uncommitted, 1 read committed. */
  isolationLevel: field(int8, { since: 4, default: 0 }),
  sessionId: field(int32, { since: 7, default: 0 }),
  sessionEpoch: field(int32, { since: 7, default: -1 }),
  topics: array(
    struct({
      /** Up to version 12; later the id. */
      topic: field(string, { until: 12, default: '' }),
      topicId: field(uuid, { since: 13, default: zeroUuid }),
      partitions: array(
        struct({
          partition: int32,
          currentLeaderEpoch: field(int32, { since: 9, default: -1 }),
          fetchOffset: int64,
          lastFetchedEpoch: field(int32, { since: 12, default: -1 }),
          logStartOffset: field(int64, { since: 5, default: -1 }),
          partitionMaxBytes: int32,
        }),
      ),
    }),
  ),
  forgottenTopicsData: field(
    array(
      struct({
        topic: field(string, { until: 12, default: '' }),
        topicId: field(uuid, { since: 13, default: zeroUuid }),
        partitions: array(int32),
      }),
    ),
    { since: 7, default: [] },
  ),
  rackId: field(string, { since: 11, default: '' }),
});

export const fetchResponse = struct({
  throttleTimeMs: throttleTimeMs(1),
  errorCode: field(int16, { since: 7, default: 0 }),
  sessionId: field(int32, { since: 7, default: 0 }),
  responses: array(
    struct({
      topic: field(string, { until: 12, default: '' }),
      topicId: field(uuid, { since: 13, default: zeroUuid }),
      partitions: array(
        struct({
          partitionIndex: int32,
          errorCode: int16,
          highWatermark: int64,
          lastStableOffset: field(int64, { since: 4, default: -1 }),
          logStartOffset: field(int64, { since: 5, default: -1 }),
          divergingEpoch: field(
            struct({ epoch: field(int32, { default: -1 }), endOffset: field(int64, { default: -1 }) }),
            { since: 12, tag: 0, default: { epoch: -1, endOffset: -1 } },
          ),
          currentLeader: field(
            struct({ leaderId: field(int32, { default: -1 }), leaderEpoch: field(int32, { default: -1 }) }),
            { since: 12, tag: 1, default: { leaderId: -1, leaderEpoch: -1 } },
          ),
          snapshotId: field(
            struct({ endOffset: field(int64, { default: -1 }), epoch: field(int32, { default: -1 }) }),
            { since: 12, tag: 2, default: { endOffset: -1, epoch: -1 } },
          ),
          abortedTransactions: field(nullable(array(struct({ producerId: int64, firstOffset: int64 })), 4), {
            since: 4,
            default: null,
          }),
          preferredReadReplica: field(int32, { since: 11, default: -1 }),
          records,
        }),
      ),
    }),
  ),
  nodeEndpoints: field(
    array(struct({ nodeId: int32, host: string, port: int32, rack: field(nullable(string), { default: null }) })),
    { since: 16, tag: 0, default: [] },
  ),
});

export type FetchRequest = Decoded<typeof fetchRequest>;
export type FetchResponse = Encodable<typeof fetchResponse>;
