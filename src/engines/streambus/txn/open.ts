import type { GroupHandle, MachineCheckpoint } from '../broker/group.ts';
import type { StreamBusConfig } from '../config.ts';
import type { BrokerServices } from '../services.ts';
import type { TransactionShard } from './coordinator.ts';
import { openTransactionMachine, type TransactionSettings } from './shard.ts';

/** What of the broker is used. */
export type TransactionShardServices = Pick<
  BrokerServices,
  'host' | 'config' | 'broker' | 'metadata' | 'rpc' | 'leaderOf' | 'groupIds' | 'transactionCoordinator' | 'producerIds'
>;

/** The times of the configuration that transactions live by. */
export function transactionSettings(config: Pick<StreamBusConfig, 'transactions'>): TransactionSettings {
  return { maxTimeoutMs: config.transactions.max_timeout, idExpirationMs: config.transactions.id_expiration };
}

/** Opens the machine of a shard of transactions, from its last checkpoint or from nothing. */
export async function openTransactionShard(
  services: TransactionShardServices,
  handle: GroupHandle,
  checkpoint: MachineCheckpoint | undefined,
): Promise<TransactionShard> {
  const { host, broker, rpc, producerIds } = services;
  return openTransactionMachine(
    {
      host,
      broker,
      rpc,
      producerIds,
      settings: transactionSettings(services.config),
      // Read at each use: a broker may be given its metadata after its groups are opened.
      get metadata() {
        return services.metadata;
      },
      leaderOf: (group) => services.leaderOf(group),
      otherOpen() {
        let count = 0;
        for (const id of services.groupIds) {
          const coordinator = id === handle.group ? undefined : services.transactionCoordinator(id);
          if (coordinator?.unavailable === 0) count += coordinator.openCount;
        }
        return count;
      },
    },
    handle,
    checkpoint,
  );
}
