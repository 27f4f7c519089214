import type { Context } from '../../host/tracing.ts';
import type { Journal, JournalStatus, RecoveryReport } from '../../storage/journal/index.ts';
import type { Endpoint, RateLimit, RateLimitStatus } from './admission.ts';
import type { PauseRequest } from './background.ts';
import type { BackgroundTask } from './backgroundTasks.ts';
import type { Activity, Condition } from './condition.ts';
import type { StemeConfig } from './config.ts';
import type { Content } from './content.ts';
import type { DrainReport, DrainStep } from './drain.ts';
import type { IndexRow } from './index/dump.ts';
import type { NodeState, StemeMetrics } from './metrics.ts';
import type { AssertionInput, EpochInput, Query, Signature, VoteInput } from './model.ts';
import type { QueryResult } from './query.ts';
import type { ScrubReport } from './scrub.ts';
import type { Ack } from './write.ts';

/** One item of a batch that was not stored. */
export interface Rejected {
  readonly status: 'rejected';
  /** Position in the batch, from 0. */
  readonly index: number;
  /** As in the body of an error. */
  readonly error: Readonly<Record<string, unknown>>;
}

export interface BatchResult {
  /** In the order of the input. */
  readonly results: readonly (Ack | Rejected)[];
  readonly created: number;
  readonly existing: number;
  readonly rejected: number;
}

/** A record as it is stored. */
export interface StoredRecord {
  readonly hash: string;
  readonly lsn: number;
  readonly kind: string;
  readonly content: Content;
  readonly signatures: readonly Signature[];
}

export interface NodeStatus {
  readonly state: NodeState;
  /** Records appended and not yet acknowledged. */
  readonly pending: number;
  readonly steps: readonly DrainStep[];
}

/**
 * A store of assertions. Everything that it throws on account of input or state is a `StemeError`. With `trace` a write's
 * wait for the log and its commit are spans under that context.
 */
export interface StemeDb {
  /** Stores a claim; resolves when it is durable and every query sees it. */
  assert(assertion: AssertionInput, trace?: Context): Promise<Ack>;
  /** Stores claims, in order; with `atomic` all of them or none. Default: the good ones, the bad ones by index. */
  assertBatch(
    assertions: readonly AssertionInput[],
    options?: { atomic?: boolean },
    trace?: Context,
  ): Promise<BatchResult>;
  vote(vote: VoteInput, trace?: Context): Promise<Ack>;
  epoch(epoch: EpochInput, trace?: Context): Promise<Ack>;
  /** Sets an agent's weight, as of `timestamp` (default now by the wall clock). */
  weigh(
    agent: string,
    weight: number,
    options?: { timestamp?: number; signatures?: readonly Signature[] },
    trace?: Context,
  ): Promise<Ack>;
  get(hash: string): Promise<StoredRecord | undefined>;
  query(query: Query): Promise<QueryResult>;
  /** Limits writes for the life of the process or a while; undefined: back to the configuration. */
  limit(limit: RateLimit | undefined): void;
  pause(request: PauseRequest): void;
  /** Writes the index to disk; resolves to the last LSN in it. */
  checkpoint(): Promise<number>;
  /** Reads the sealed part of the log from the disk and checks every byte of it. @throws DiskError */
  scrub(): Promise<ScrubReport>;
  /** Takes the node out of service. With an aborted `signal` the waiting ends, not the drain. */
  drain(options?: { signal?: AbortSignal }): Promise<DrainReport>;
  undrain(): void;
  /** Ends what was begun and closes the log. No lame-duck time, no snapshot. Idempotent. */
  close(): Promise<void>;
}

/** A store, and what its routes and its stand look at. */
export interface StemeNode extends StemeDb {
  readonly recovery: RecoveryReport;
  readonly metrics: StemeMetrics;
  /** The settings in force. */
  readonly config: StemeConfig;
  readonly journal: Journal;
  node(): NodeStatus;
  wal(): JournalStatus;
  rateLimit(): RateLimitStatus;
  /** Damage of the log that reads and scrubs have found since the start; empty when there is none. */
  damage(): readonly string[];
  /** What the store is doing, in one word; asked without I/O. */
  condition(): Condition;
  /** Work under way beside the requests; asked without I/O. */
  activities(): readonly Activity[];
  /** Counts a request against its endpoint's rate. @throws StemeError RATE_LIMITED */
  admit(endpoint: Endpoint): void;
  /** Background tasks that are paused now. */
  pausedTasks(): readonly BackgroundTask[];
  indexRows(): number;
  /** Every row of the index as plain data. */
  dump(): Generator<IndexRow>;
  /** Takes over what can change while running. */
  reconfigure(config: StemeConfig): { applied: string[]; needRestart: string[] };
}
