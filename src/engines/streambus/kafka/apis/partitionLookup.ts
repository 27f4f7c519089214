import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { PartitionReplica } from '../../log/replica.ts';
import type { TopicInfo } from '../../meta/metadata.ts';
import type { BrokerServices } from '../../services.ts';

/** Who leads a partition, as far as this broker has heard; -1: nobody known. */
export interface LeaderView {
  readonly leaderId: number;
  readonly leaderEpoch: number;
}

const nobody: LeaderView = { leaderId: -1, leaderEpoch: -1 };

/** A partition on this broker, led by it; or why not. */
export type FoundPartition =
  | { readonly replica: PartitionReplica; readonly errorCode: 0 }
  | { readonly replica: undefined; readonly errorCode: number; readonly leader: LeaderView };

/** The leader of a partition by gossip. */
export function leaderOf(services: BrokerServices, topic: TopicInfo, partition: number): LeaderView {
  const info = topic.partitions[partition];
  const known = info === undefined ? undefined : services.leaderOf(info.group);
  return known === undefined ? nobody : { leaderId: known.broker, leaderEpoch: known.term };
}

/** The replica that answers for a partition: 3 when there is no such partition, 6 when another broker leads it. */
export function findLed(services: BrokerServices, topic: TopicInfo | undefined, partition: number): FoundPartition {
  if (topic?.partitions[partition] === undefined) {
    return { replica: undefined, errorCode: kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION, leader: nobody };
  }
  const replica = services.partition(topic.name, partition);
  if (replica?.handle.serving !== true) {
    const leader = leaderOf(services, topic, partition);
    return { replica: undefined, errorCode: kafkaErrors.NOT_LEADER_OR_FOLLOWER, leader };
  }
  return { replica, errorCode: 0 };
}

/** What a client that knows an older or a newer leader is told; 0 when it knows this one, or did not say. */
export function checkEpoch(replica: PartitionReplica, currentLeaderEpoch: number): number {
  if (currentLeaderEpoch < 0 || currentLeaderEpoch === replica.leaderEpoch) return kafkaErrors.NONE;
  return currentLeaderEpoch < replica.leaderEpoch ? kafkaErrors.FENCED_LEADER_EPOCH : kafkaErrors.UNKNOWN_LEADER_EPOCH;
}

/** Addresses of the brokers that an answer names as leaders. */
export function endpointsOf(
  services: BrokerServices,
  leaders: Iterable<number>,
): { nodeId: number; host: string; port: number; rack: string | null }[] {
  const named = new Set(leaders);
  return [...services.metadata.brokers.values()]
    .filter(({ broker }) => named.has(broker))
    .map(({ broker, kafka, rack }) => ({ nodeId: broker, host: kafka.host, port: kafka.port, rack: rack ?? null }));
}
