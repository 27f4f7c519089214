import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { GroupCoordinator } from '../../groups/coordinator.ts';
import type { GroupId } from '../../ids.ts';
import type { BrokerServices } from '../../services.ts';
import type { TransactionCoordinator } from '../../txn/coordinator.ts';
import type { RequestContext } from '../api.ts';

/** The shard that keeps a consumer group or a transactional id; undefined while the cluster's metadata is not there yet. */
export function shardOf(services: BrokerServices, kind: 'groups' | 'transactions', name: string): GroupId | undefined {
  if (!services.metadata.shards.some((shard) => shard.kind === kind)) return undefined;
  return services.metadata.shardOf(kind, name);
}

/** Who coordinates the group on this broker; `errorCode` is 0 exactly when there is one. */
export function findGroupCoordinator(
  { services }: RequestContext,
  groupId: string,
):
  | { readonly errorCode: 0; readonly coordinator: GroupCoordinator }
  | { readonly errorCode: number; readonly coordinator: undefined } {
  const shard = shardOf(services, 'groups', groupId);
  if (shard === undefined) return { errorCode: kafkaErrors.COORDINATOR_NOT_AVAILABLE, coordinator: undefined };
  const coordinator = services.groupCoordinator(shard);
  if (coordinator === undefined) return { errorCode: kafkaErrors.NOT_COORDINATOR, coordinator };
  return { errorCode: 0, coordinator };
}

/** Who coordinates the transactional id on this broker; `errorCode` is 0 exactly when there is one. */
export function findTransactionCoordinator(
  { services }: RequestContext,
  transactionalId: string,
):
  | { readonly errorCode: 0; readonly coordinator: TransactionCoordinator }
  | { readonly errorCode: number; readonly coordinator: undefined } {
  const shard = shardOf(services, 'transactions', transactionalId);
  if (shard === undefined) return { errorCode: kafkaErrors.COORDINATOR_NOT_AVAILABLE, coordinator: undefined };
  const coordinator = services.transactionCoordinator(shard);
  if (coordinator === undefined) return { errorCode: kafkaErrors.NOT_COORDINATOR, coordinator };
  return { errorCode: 0, coordinator };
}

/** Whether the cluster has this partition, as far as this broker knows. */
export function isKnownPartition(services: BrokerServices, topic: string, partition: number): boolean {
  return services.metadata.topics.get(topic)?.partitions.some((one) => one.partition === partition) === true;
}
