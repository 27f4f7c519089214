import type { BrokerId, GroupId } from '../ids.ts';

/** A committed entry as a machine applies it. */
export interface CommittedEntry {
  readonly index: number;
  readonly term: number;
  /** Empty for the no-op of a new leader and for changes of the configuration. The machine may keep it, never change it. */
  readonly data: Uint8Array;
}

/**
 * What a group replicates: meta, a shard, a partition. Everything but `checkpoint` and `restore` is synchronous. The same
 * entries give the same state on every replica: no clock, no randomness, no knowledge of who leads.
 */
export interface ReplicatedMachine {
  /** Applies the next entry. What it returns goes to the proposer if that is this broker. A throw is a defect: the process ends. */
  apply(entry: CommittedEntry): unknown;
  /** This replica leads from now on and has applied everything of earlier terms: proposals may begin. */
  lead(term: number): void;
  /** It does not lead any more: what it proposed and has not applied may or may not come. */
  follow(): void;
  /**
   * Makes everything applied so far durable outside the journal, and resolves with what `open` needs to begin from there:
   * a position in files, or the whole state of a small machine. More may be applied meanwhile; it speaks of a moment between
   * call and settling, whose index it names.
   */
  checkpoint(): Promise<MachineCheckpoint>;
  /** State for a follower whom the log no longer reaches, as of the last applied entry. */
  snapshot(): Uint8Array;
  /** Replaces the state by another replica's snapshot; durable when it resolves. What is missing is fetched through `peers`. */
  restore(snapshot: MachineSnapshot, peers: CatchUpPeers): Promise<void>;
  /** The checkpoint of this index is durable in the journal: files that only an older one needs may go. */
  checkpointed?(index: number): void;
  /** Defined when what was applied piles up before a slow disk: the driver waits for it before it applies more. */
  hold?(): Promise<void> | undefined;
  /** Asked of the leader's. Undefined: clients of this machine just turn to the next leader. */
  readonly use?: MachineUse;
  close(): Promise<void>;
}

/** Whom a move of the lead would disturb: nobody ever used it; nobody has anything under way now; clients have. */
export type MachineUse = 'none' | 'idle' | 'busy';

export interface MachineCheckpoint {
  readonly index: number;
  readonly term: number;
  readonly data: Uint8Array;
}

export interface MachineSnapshot {
  readonly index: number;
  readonly term: number;
  readonly data: Uint8Array;
}

/** How a machine that restores a snapshot asks the other replicas of its group for bytes. */
export interface CatchUpPeers {
  /** Replicas to ask, the leader first where it is known. */
  brokers(): readonly BrokerId[];
  /** Sends a request to the same machine on another broker (`answerPeer` there) and resolves with its answer. */
  ask(broker: BrokerId, request: Uint8Array): Promise<Uint8Array>;
  readonly signal: AbortSignal;
}

/** Nothing was appended and nothing will be: a definite refusal. */
export class NotProposed extends Error {
  override readonly name = 'NotProposed';
  readonly reason: 'not-leader' | 'busy' | 'transferring' | 'stopping' | 'read-only';
  constructor(reason: NotProposed['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** It was appended here and then this replica lost the lead, or stopped: whether it will be committed is open. */
export class ProposalLost extends Error {
  override readonly name = 'ProposalLost';
}

/** The machine was closed before this was done, since its replica goes or the process ends: nothing is wrong, and nothing is lost. */
export class MachineClosed extends Error {
  override readonly name = 'MachineClosed';
}

/** What a proposal came to. */
export interface Proposed {
  readonly index: number;
  readonly term: number;
  /** What the machine's `apply` returned. */
  readonly result: unknown;
  /** Milliseconds from the call until it was durable in this broker's journal, where the driver measures it. */
  readonly journalMs?: number;
}

/** A group on this broker, as its machine and those who use it see it. */
export interface GroupHandle {
  readonly group: GroupId;
  /** The current term. */
  readonly term: number;
  /** This broker leads and `lead` was called: proposals and reads are taken. */
  readonly serving: boolean;
  /** The leader by the highest term heard of, on this group or by gossip; undefined when nobody is known. */
  readonly leader: BrokerId | undefined;
  /**
   * Appends to the log: throws `NotProposed` at once, before any effect, or takes the bytes (they must not change any more).
   * The promise resolves when the entry has been applied here, and rejects with `ProposalLost`. Proposals are committed in
   * the order of the calls. Time limits are the caller's.
   */
  propose(data: Uint8Array): Promise<Proposed>;
  /**
   * Defined while `propose` would refuse so many bytes for a passing reason: too much waits for the journal or is uncommitted, or the
   * lead is being handed over, or while others who came before wait for room. Resolves when it is worth asking again, be it because the
   * lead is gone, or when `signal` ends the wait. Who gives a signal that is not over has his place in the order from then on until it
   * is: he proposes first, then ends it. Nobody waits at a driver without it.
   */
  room?(bytes: number, signal?: AbortSignal): Promise<void> | undefined;
  /**
   * ReadIndex: resolves when this replica leads for sure and has applied everything that was committed at the call. Rejects
   * with `NotProposed` when it does not lead. Calls of one turn share a round.
   */
  readBarrier(): Promise<void>;
  /**
   * Resolves when everything proposed so far is durable in this broker's own journal, whether committed or not; rejects with
   * `ProposalLost`. For acks=1 under `acks_one: leader`; a driver without it gives the quorum's answer.
   */
  ownSync?(): Promise<void>;
}

/** Opens the machine of a group on this broker, from its last checkpoint or from nothing. */
export type MachineFactory = (
  handle: GroupHandle,
  checkpoint: MachineCheckpoint | undefined,
) => Promise<ReplicatedMachine & PeerAnswers>;

/** The other side of `CatchUpPeers.ask`. */
export interface PeerAnswers {
  answerPeer(request: Uint8Array, from: BrokerId): Promise<Uint8Array>;
}
