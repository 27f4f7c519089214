import type { Configuration } from './configuration.ts';
import type { ProgressStatus } from './status.ts';
import type { ConfChange, ConfChangeV2, ConfState, MessageType, RaftId, RaftState } from './types.ts';

/** Where a member tells what it does. Called synchronously: what an event refers to changes after the call. */
export interface LogSink {
  event(event: RaftEvent): void;
}

/** Where a log ends: index and term of its last entry. */
export interface LogEnd {
  readonly index: number;
  readonly term: number;
}

/** A vote that was asked for, and what the one who was asked has itself. */
interface VoteAsked {
  readonly id: RaftId;
  readonly last: LogEnd;
  /** For whom this member voted in its term. */
  readonly vote: RaftId;
  readonly type: MessageType;
  readonly from: RaftId;
  readonly candidateLast: LogEnd;
  readonly term: number;
}

/** One thing that a member did or saw. `describe.ts` puts it in words. `id` is the member that tells it. */
export type RaftEvent =
  | {
      readonly kind: 'started';
      readonly id: RaftId;
      readonly voters: readonly RaftId[];
      readonly term: number;
      readonly commit: number;
      readonly applied: number;
      readonly last: LogEnd;
    }
  | {
      readonly kind: 'became';
      readonly id: RaftId;
      readonly state: RaftState;
      readonly term: number;
    }
  | { readonly kind: 'election-started'; readonly id: RaftId; readonly term: number }
  | { readonly kind: 'campaign-as-leader'; readonly id: RaftId }
  | { readonly kind: 'campaign-unpromotable'; readonly id: RaftId }
  | { readonly kind: 'campaign-changes-pending'; readonly id: RaftId; readonly term: number }
  | { readonly kind: 'election-unpromotable'; readonly id: RaftId }
  | {
      readonly kind: 'vote-requested';
      readonly id: RaftId;
      readonly last: LogEnd;
      readonly type: MessageType;
      readonly to: RaftId;
      readonly term: number;
    }
  | {
      readonly kind: 'vote-received';
      readonly id: RaftId;
      readonly type: MessageType;
      readonly from: RaftId;
      readonly granted: boolean;
      readonly term: number;
    }
  | {
      readonly kind: 'votes-counted';
      readonly id: RaftId;
      readonly granted: number;
      readonly type: MessageType;
      readonly rejected: number;
    }
  | ({ readonly kind: 'vote-cast' } & VoteAsked)
  | ({ readonly kind: 'vote-rejected' } & VoteAsked)
  | ({ readonly kind: 'vote-ignored-in-lease'; readonly remainingTicks: number } & VoteAsked)
  | {
      readonly kind: 'higher-term';
      readonly id: RaftId;
      readonly term: number;
      readonly type: MessageType;
      readonly from: RaftId;
      readonly messageTerm: number;
    }
  | {
      readonly kind: 'lower-term-ignored';
      readonly id: RaftId;
      readonly term: number;
      readonly type: MessageType;
      readonly from: RaftId;
      readonly messageTerm: number;
    }
  | {
      readonly kind: 'old-appends-ignored';
      readonly id: RaftId;
      readonly term: number;
      readonly type: MessageType;
      readonly messageTerm: number;
    }
  | { readonly kind: 'quorum-inactive'; readonly id: RaftId }
  | { readonly kind: 'no-progress'; readonly id: RaftId; readonly from: RaftId }
  | { readonly kind: 'proposal-over-limit'; readonly id: RaftId }
  | { readonly kind: 'proposal-without-leader'; readonly id: RaftId; readonly term: number }
  | { readonly kind: 'proposal-not-forwarded'; readonly id: RaftId; readonly leader: RaftId; readonly term: number }
  | { readonly kind: 'proposal-in-transfer'; readonly id: RaftId; readonly term: number; readonly to: RaftId }
  | {
      readonly kind: 'change-ignored';
      readonly id: RaftId;
      readonly change: ConfChange | ConfChangeV2;
      readonly configuration: Configuration;
      readonly reason: string;
    }
  | { readonly kind: 'configuration-switched'; readonly id: RaftId; readonly configuration: Configuration }
  | { readonly kind: 'auto-leave-started'; readonly configuration: Configuration }
  | { readonly kind: 'auto-leave-failed'; readonly configuration: Configuration; readonly error: string }
  | {
      readonly kind: 'append-refused';
      readonly id: RaftId;
      /** Of the entry at `index` here; 0: there is none. */
      readonly ownTerm: number;
      readonly index: number;
      readonly logTerm: number;
      readonly from: RaftId;
    }
  | { readonly kind: 'append-malformed'; readonly id: RaftId; readonly from: RaftId }
  | {
      readonly kind: 'append-rejected';
      readonly id: RaftId;
      readonly hint: LogEnd;
      readonly from: RaftId;
      readonly index: number;
    }
  | {
      readonly kind: 'progress-decreased';
      readonly id: RaftId;
      readonly from: RaftId;
      readonly progress: ProgressStatus;
    }
  | { readonly kind: 'unreachable'; readonly id: RaftId; readonly to: RaftId; readonly progress: ProgressStatus }
  | { readonly kind: 'snapshot-to-inactive'; readonly to: RaftId }
  | { readonly kind: 'snapshot-not-ready'; readonly id: RaftId; readonly to: RaftId }
  | {
      readonly kind: 'snapshot-sent';
      readonly id: RaftId;
      readonly firstIndex: number;
      readonly commit: number;
      readonly snapshot: LogEnd;
      readonly to: RaftId;
      readonly progress: ProgressStatus;
    }
  | { readonly kind: 'replication-paused'; readonly id: RaftId; readonly to: RaftId; readonly progress: ProgressStatus }
  | {
      readonly kind: 'snapshot-overtaken' | 'snapshot-outrun' | 'snapshot-succeeded' | 'snapshot-failed';
      readonly id: RaftId;
      readonly from: RaftId;
      readonly progress: ProgressStatus;
    }
  | {
      readonly kind: 'snapshot-accepted' | 'snapshot-ignored';
      readonly id: RaftId;
      readonly commit: number;
      readonly snapshot: LogEnd;
    }
  | {
      readonly kind: 'snapshot-restored' | 'snapshot-known';
      readonly id: RaftId;
      readonly commit: number;
      readonly last: LogEnd;
      readonly snapshot: LogEnd;
    }
  | { readonly kind: 'snapshot-as-leader'; readonly id: RaftId }
  | { readonly kind: 'snapshot-without-me'; readonly id: RaftId; readonly confState: ConfState }
  | { readonly kind: 'transfer-to-learner'; readonly id: RaftId }
  | { readonly kind: 'transfer-to-self'; readonly id: RaftId }
  | { readonly kind: 'transfer-without-leader'; readonly id: RaftId; readonly term: number }
  | {
      readonly kind: 'transfer-repeated' | 'transfer-started' | 'transfer-aborted';
      readonly id: RaftId;
      readonly term: number;
      readonly to: RaftId;
    }
  | { readonly kind: 'timeout-now-sent' | 'timeout-now-sent-at-once'; readonly id: RaftId; readonly to: RaftId }
  | {
      readonly kind: 'timeout-now-received';
      readonly id: RaftId;
      readonly term: number;
      readonly from: RaftId;
    }
  | {
      readonly kind: 'timeout-now-ignored';
      readonly id: RaftId;
      readonly term: number;
      readonly state: RaftState;
      readonly from: RaftId;
    }
  | { readonly kind: 'leader-forgotten'; readonly id: RaftId; readonly leader: RaftId; readonly term: number }
  | { readonly kind: 'forget-leader-refused' }
  | { readonly kind: 'read-without-leader'; readonly id: RaftId; readonly term: number }
  | { readonly kind: 'reads-over-limit'; readonly id: RaftId; readonly limit: number }
  | { readonly kind: 'read-answer-malformed'; readonly id: RaftId; readonly from: RaftId; readonly entries: number }
  | { readonly kind: 'log-conflict'; readonly index: number; readonly existing: number; readonly conflicting: number }
  | {
      readonly kind: 'log-restoring';
      readonly committed: number;
      readonly applied: number;
      readonly applying: number;
      readonly offset: number;
      readonly offsetInProgress: number;
      readonly unstableEntries: number;
      readonly snapshot: LogEnd;
    }
  | { readonly kind: 'unstable-replaced' | 'unstable-truncated'; readonly index: number }
  | { readonly kind: 'stable-missing' | 'stable-is-snapshot'; readonly index: number }
  | { readonly kind: 'stable-mismatch'; readonly index: number; readonly term: number; readonly ownTerm: number };
