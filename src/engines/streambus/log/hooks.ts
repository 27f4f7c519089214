import type { CatchUpPeers } from '../broker/group.ts';
import type { LogShared } from './shared.ts';

/** What a partition asks of the broker around it. */
export interface PartitionHooks {
  /** What all partitions of the broker share: memory, open files, the rate of catching up. */
  readonly shared: LogShared;
  /** The topic's settings that differ from the defaults, by Kafka's names. Read by a leader alone. */
  topicConfigs(): ReadonlyMap<string, string>;
  /** How to ask the other replicas, for repairs. */
  peers(): CatchUpPeers;
  /** Why this broker takes no writes now; undefined when it does. */
  readOnly(): string | undefined;
  /**
   * Bytes that the partition relies on could not be made durable, or its state contradicts itself: the process must end with
   * exit 70. Nothing is retried; the restart reads the disk. Called once.
   */
  fatal(error: Error): void;
  /** A stretch of the log was found that cannot be read here: counted in `streambus_corruptions_total`. */
  damaged(reason: string): void;
  /** A stretch that could not be read was replaced by another replica's: counted in `streambus_repairs_total`. */
  repaired(): void;
  /** A batch of the log cannot be read here: when this replica leads, somebody else should. */
  handOver(reason: string): void;
  /** A batch came again and was answered with its first offset: counted in `streambus_duplicates_answered_total`. */
  repeated(): void;
  /** A checkpoint would be welcome now: much was written, or files may go once it is durable. */
  wantCheckpoint(): void;
}
