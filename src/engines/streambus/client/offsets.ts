import { apiKeys } from '../../../wire/kafka/apis.ts';
import { earliestTimestamp, latestTimestamp } from '../../../wire/kafka/messages/listOffsets.ts';
import { isRetriable, kafkaError } from './clientError.ts';
import type { Cluster } from './cluster.ts';
import type { TopicPartition } from './consumerProtocol.ts';

/** An offset and the time of the record there; both -1 when no record is that young. */
export interface OffsetAndTime {
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

/**
 * The offset of a place in a partition: its beginning, its end (at read_committed the last stable one), or of the first record
 * that is at least so young (milliseconds since 1970).
 */
export async function offsetOf(
  cluster: Cluster,
  { topic, partition }: TopicPartition,
  place: 'earliest' | 'latest' | number,
  isCommitted = false,
): Promise<OffsetAndTime> {
  const timestamp = place === 'earliest' ? earliestTimestamp : place === 'latest' ? latestTimestamp : place;
  return await cluster.retrying('read', async () => {
    const { connection, view } = await cluster.leaderOf(topic, partition);
    try {
      const answer = await connection.request(apiKeys.ListOffsets, {
        isolationLevel: isCommitted ? 1 : 0,
        topics: [
          {
            name: topic,
            partitions: [{ partitionIndex: partition, currentLeaderEpoch: view.leaderEpoch, timestamp }],
          },
        ],
      });
      const found = answer.topics[0]?.partitions[0];
      const errorCode = found?.errorCode ?? -1;
      if (found === undefined || errorCode !== 0)
        throw kafkaError('read', `offset in ${topic}/${partition}`, errorCode);
      return { offset: found.offset, timestamp: found.timestamp, leaderEpoch: found.leaderEpoch };
    } catch (error) {
      if (isRetriable(error)) cluster.forgetTopic(topic);
      throw error;
    }
  });
}
