import type { BrokerId, GroupId } from '../ids.ts';
import { firstPartitionGroup } from '../ids.ts';
import { hexOf } from './json.ts';
import type {
  AclBinding,
  BrokerInfo,
  PartitionInfo,
  Quota,
  QuotaEntity,
  ScramCredential,
  ShardInfo,
  TopicInfo,
} from './metadata.ts';

/** A broker, and what recognizes a repeated registration. */
export interface BrokerRecord extends BrokerInfo {
  readonly session: string;
  /** How far its journal was proven durable at its last start. */
  readonly journalEnd: number;
}

/** A quota that was set. */
export interface QuotaRecord {
  readonly entity: QuotaEntity;
  readonly quota: Quota;
}

/** Results of commands that are remembered, so that one that is sent again is not done again. */
export const rememberedCommands = 2_000;

/** Replicas that one broker may hold. */
export const maxReplicasPerBroker = 5_000;

/** The state of the cluster. Everything in it is plain data; values are replaced, never changed. */
export class MetaState {
  clusterId = '';
  nextGroup: GroupId = firstPartitionGroup;
  nextProducerId = 1;
  /** Why the whole cluster takes no writes. */
  readOnly: string | undefined;
  shards: readonly ShardInfo[] = [];
  readonly brokers = new Map<BrokerId, BrokerRecord>();
  readonly topics = new Map<string, TopicInfo>();
  /** By `aclKey`. */
  readonly acls = new Map<string, AclBinding>();
  readonly credentials = new Map<string, readonly ScramCredential[]>();
  /** By `entityKey`. */
  readonly quotas = new Map<string, QuotaRecord>();
  /** What the last commands came to, by their ids, the oldest first. */
  readonly results = new Map<string, unknown>();

  // Folds of the topics, never stored.
  readonly topicNames = new Map<string, string>();
  readonly partitions = new Map<GroupId, PartitionInfo>();

  /** Adds a topic or replaces it. */
  setTopic(topic: TopicInfo): void {
    this.topics.set(topic.name, topic);
    this.topicNames.set(hexOf(topic.id), topic.name);
    for (const partition of topic.partitions) this.partitions.set(partition.group, partition);
  }

  removeTopic(topic: TopicInfo): void {
    this.topics.delete(topic.name);
    this.topicNames.delete(hexOf(topic.id));
    for (const partition of topic.partitions) this.partitions.delete(partition.group);
  }

  /** Remembers what a command came to. */
  remember(id: string, result: unknown): void {
    this.results.set(id, result);
    if (this.results.size <= rememberedCommands) return;
    const oldest = this.results.keys().next();
    if (oldest.done !== true) this.results.delete(oldest.value);
  }
}

/** Two bindings with one key are the same. */
export function aclKey(binding: AclBinding): string {
  const { resourceType, resourceName, patternType, principal, host, operation, permission } = binding;
  return JSON.stringify([resourceType, resourceName, patternType, principal, host, operation, permission]);
}

/** Two entities with one key are the same. */
export function entityKey({ user, clientId }: QuotaEntity): string {
  return JSON.stringify([user === undefined ? [] : [user], clientId === undefined ? [] : [clientId]]);
}
