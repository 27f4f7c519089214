import type { Millis } from '../../../host/clock.ts';
import type { Host } from '../../../host/host.ts';
import type { Journal } from '../../../storage/journal/index.ts';
import type { BrokerId, Incarnation } from '../ids.ts';
import type { GroupObserver } from './observer.ts';
import type { GroupSpec } from './runtime.ts';
import type { Transport } from './transport.ts';

/** What is counted of groups. */
export interface GroupEvents {
  /** A message was dropped: of another incarnation, generation, cluster, or of a process that was replaced. */
  fenced(reason: string): void;
  /** A write of the journal took so long, from the append until it was durable. */
  journalSynced(ms: Millis): void;
  leaderChanged(kind: GroupSpec['kind']): void;
  electionBegun(kind: GroupSpec['kind']): void;
  confChanged(kind: GroupSpec['kind']): void;
}

/** What runs a broker's groups. */
export interface GroupsOptions {
  readonly host: Host;
  readonly broker: BrokerId;
  readonly incarnation: Incarnation;
  readonly journal: Journal;
  readonly journalSegmentBytes: number;
  /** `raft-state/snapshots`. */
  readonly snapshotDirectory: string;
  readonly transport: Transport;
  readonly observer?: GroupObserver | undefined;
  readonly raft: {
    readonly tickMs: Millis;
    readonly heartbeatTicks: number;
    readonly electionTicks: number;
    readonly maxUncommittedBytes: number;
  };
  /** Read when it is needed: it may be reloaded. */
  readonly flushIntervalMs: () => Millis;
  readonly events: GroupEvents;
  /** The process cannot go on: a write failed, or a defect. */
  readonly onFatal: (error: unknown) => void;
}
