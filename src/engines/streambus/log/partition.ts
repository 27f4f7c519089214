import type { Host } from '../../../host/host.ts';
import type { GroupHandle, MachineCheckpoint, PeerAnswers, ReplicatedMachine } from '../broker/group.ts';
import type { PartitionInfo } from '../meta/metadata.ts';
import type { PartitionHooks } from './hooks.ts';
import type { PartitionReplica } from './replica.ts';
import type { LogConfig } from './settings.ts';

/** A partition on this broker: what its group replicates, and what clients are served from. */
export interface Partition extends ReplicatedMachine, PeerAnswers, PartitionReplica {
  readonly directory: string;
  /** The assignment changed. */
  setInfo(info: PartitionInfo): void;
  /** Stretches of the log that cannot be read here now; empty when it is healthy. */
  readonly damage: readonly PartitionDamage[];
}

/** A stretch of the log that cannot be read on this broker. */
export interface PartitionDamage {
  readonly reason: string;
  readonly firstOffset: number;
  readonly lastOffset: number;
}

export interface OpenPartitionOptions {
  /**
   * Begins from nothing (`checkpoint` must be undefined) but keeps what the directory still holds of this group's log, checked
   * batch by batch: `restore` will not ask the others for it. For a replica on probation or of a new incarnation. Default false:
   * without a checkpoint the directory begins empty and the journal brings everything.
   */
  readonly salvage?: boolean;
}

/**
 * Opens the replica in `directory` (`data/<topic>/partition-<n>`, made if missing): drops the bytes past the checkpoint, checks
 * what it names, and is ready for `apply` of the entry after `checkpoint.index` (or of the first one that the journal has).
 * Rejects with `PartitionRegressed` when the directory holds less than the checkpoint promised: the replica must go on probation
 * (open it again without a checkpoint, with `salvage`). Rejects with `DiskError` when the disk does not answer.
 */
export type OpenPartition = (
  host: Host,
  config: LogConfig,
  info: PartitionInfo,
  directory: string,
  handle: GroupHandle,
  checkpoint: MachineCheckpoint | undefined,
  hooks: PartitionHooks,
  options?: OpenPartitionOptions,
) => Promise<Partition>;

/** A partition's directory is gone, foreign, or shorter than its checkpoint: this replica has forgotten what it promised. */
export class PartitionRegressed extends Error {
  override readonly name = 'PartitionRegressed';
  readonly code = 'PARTITION_REGRESSED';
  readonly reason: 'missing' | 'foreign' | 'short' | 'state-lost';
  constructor(reason: PartitionRegressed['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}
