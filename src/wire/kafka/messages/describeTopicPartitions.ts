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
} from '../schema/types.ts';

export const describeTopicPartitionsRequest = struct({
  topics: array(struct({ name: string })),
  responsePartitionLimit: field(int32, { default: 2000 }),
  cursor: field(nullable(struct({ topicName: string, partitionIndex: int32 })), { default: null }),
});

export const describeTopicPartitionsResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  topics: array(
    struct({
      errorCode: int16,
      name: nullable(string),
      topicId: uuid,
      isInternal: field(bool, { default: false }),
      partitions: array(
        struct({
          errorCode: int16,
          partitionIndex: int32,
          leaderId: int32,
          leaderEpoch: field(int32, { default: -1 }),
          replicaNodes: array(int32),
          isrNodes: array(int32),
          eligibleLeaderReplicas: field(nullable(array(int32)), { default: null }),
          lastKnownElr: field(nullable(array(int32)), { default: null }),
          offlineReplicas: array(int32),
        }),
      ),
      topicAuthorizedOperations: field(int32, { default: -2147483648 }),
    }),
  ),
  nextCursor: field(nullable(struct({ topicName: string, partitionIndex: int32 })), { default: null }),
});

export type DescribeTopicPartitionsRequest = Decoded<typeof describeTopicPartitionsRequest>;
export type DescribeTopicPartitionsResponse = Encodable<typeof describeTopicPartitionsResponse>;
