import type { GroupHandle, MachineCheckpoint } from '../broker/group.ts';
import type { StreamBusConfig } from '../config.ts';
import { hexOf } from '../meta/json.ts';
import type { BrokerServices } from '../services.ts';
import { verifyOffsets } from '../txn/verify.ts';
import type { GroupShard } from './coordinator.ts';
import type { GroupSettings } from './runtime.ts';
import { openGroupMachine } from './shard.ts';

/** What of the broker is used. */
export type GroupShardServices = Pick<
  BrokerServices,
  'host' | 'config' | 'broker' | 'metadata' | 'rpc' | 'groupIds' | 'groupCoordinator'
>;

/** What the metrics hear. */
export interface GroupHooks {
  /** A group has begun a generation. */
  rebalanced?(groupId: string): void;
}

/** The times of the configuration that consumer groups live by. */
export function groupSettings(config: Pick<StreamBusConfig, 'consumer_groups' | 'transactions'>): GroupSettings {
  const { session_min, session_max, initial_delay, offsets_retention } = config.consumer_groups;
  return {
    sessionMinMs: session_min,
    sessionMaxMs: session_max,
    initialDelayMs: initial_delay,
    offsetsRetentionMs: offsets_retention,
    producerExpirationMs: config.transactions.id_expiration,
  };
}

/** Opens the machine of a shard of consumer groups, from its last checkpoint or from nothing. */
export async function openGroupShard(
  services: GroupShardServices,
  handle: GroupHandle,
  checkpoint: MachineCheckpoint | undefined,
  hooks: GroupHooks = {},
): Promise<GroupShard> {
  return openGroupMachine(
    {
      host: services.host,
      broker: services.broker,
      settings: groupSettings(services.config),
      verifyOffsets: (request) => verifyOffsets(services, request),
      topics: {
        get version() {
          return services.metadata.version;
        },
        idOf(topic) {
          const id = services.metadata.topics.get(topic)?.id;
          return id === undefined ? undefined : hexOf(id);
        },
        onChange: (fn) => services.metadata.onChange(fn),
      },
      rebalanced: (groupId) => hooks.rebalanced?.(groupId),
      otherGroups() {
        let count = 0;
        for (const id of services.groupIds) {
          const coordinator = id === handle.group ? undefined : services.groupCoordinator(id);
          if (coordinator?.unavailable === 0) count += coordinator.groupCount;
        }
        return count;
      },
    },
    handle,
    checkpoint,
  );
}
