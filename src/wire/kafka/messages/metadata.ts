import {
  array,
  bool,
  type Decoded,
  type Encodable,
  field,
  int16,
  int32,
  nullable,
  string,
  struct,
  throttleTimeMs,
  uuid,
  zeroUuid,
} from '../schema/types.ts';

export const metadataRequest = struct({
  /** Null: all topics. In version 0 an empty list means all. */
  topics: nullable(
    array(
      struct({
        topicId: field(uuid, { since: 10, default: zeroUuid }),
        /** Null from version 10 on where the id names the topic. */
        name: nullable(string, 10),
      }),
    ),
    1,
  ),
  allowAutoTopicCreation: field(bool, { since: 4, default: true }),
  includeClusterAuthorizedOperations: field(bool, { since: 8, until: 10, default: false }),
  includeTopicAuthorizedOperations: field(bool, { since: 8, default: false }),
});

/** Authorized operations that were not asked for. */
export const noAuthorizedOperations = -2147483648;

export const metadataResponse = struct({
  throttleTimeMs: throttleTimeMs(3),
  brokers: array(
    struct({
      nodeId: int32,
      host: string,
      port: int32,
      rack: field(nullable(string, 1), { since: 1, default: null }),
    }),
  ),
  clusterId: field(nullable(string, 2), { since: 2, default: null }),
  controllerId: field(int32, { since: 1, default: -1 }),
  topics: array(
    struct({
      errorCode: int16,
      name: nullable(string, 12),
      topicId: field(uuid, { since: 10, default: zeroUuid }),
      isInternal: field(bool, { since: 1, default: false }),
      partitions: array(
        struct({
          errorCode: int16,
          partitionIndex: int32,
          leaderId: int32,
          leaderEpoch: field(int32, { since: 7, default: -1 }),
          replicaNodes: array(int32),
          isrNodes: array(int32),
          offlineReplicas: field(array(int32), { since: 5, default: [] }),
        }),
      ),
      topicAuthorizedOperations: field(int32, { since: 8, default: noAuthorizedOperations }),
    }),
  ),
  clusterAuthorizedOperations: field(int32, { since: 8, until: 10, default: noAuthorizedOperations }),
});

export type MetadataRequest = Decoded<typeof metadataRequest>;
export type MetadataResponse = Encodable<typeof metadataResponse>;
