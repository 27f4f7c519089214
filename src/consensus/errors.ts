/** What a caller can do wrong or find missing; anything that breaks an invariant of the core is a `RaftPanic` instead. */
export type RaftErrorCode =
  | 'COMPACTED'
  | 'UNAVAILABLE'
  | 'SNAPSHOT_NOT_READY'
  | 'SNAPSHOT_OUT_OF_DATE'
  | 'PROPOSAL_DROPPED'
  | 'PEER_NOT_FOUND'
  | 'LOCAL_MESSAGE'
  | 'CONFIG_INVALID'
  | 'CONF_CHANGE_INVALID';

/** Base of the errors that RawNode and RaftStorage throw at their callers. */
export class RaftError extends Error {
  readonly code: RaftErrorCode;

  constructor(code: RaftErrorCode, message: string) {
    super(message);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The index asked for lies before the log's first one: a snapshot has taken its place. */
export class Compacted extends RaftError {
  constructor() {
    super('COMPACTED', 'requested index is unavailable due to compaction');
  }
}

/** The index asked for lies beyond the log's last one. */
export class Unavailable extends RaftError {
  constructor() {
    super('UNAVAILABLE', 'requested entry at index is unavailable');
  }
}

/** A snapshot is being made; ask again later. */
export class SnapshotNotReady extends RaftError {
  constructor() {
    super('SNAPSHOT_NOT_READY', 'snapshot is temporarily unavailable');
  }
}

/** The snapshot to store is not newer than the one that is there. */
export class SnapshotOutOfDate extends RaftError {
  constructor() {
    super('SNAPSHOT_OUT_OF_DATE', 'requested index is older than the existing snapshot');
  }
}

/** The proposal was not appended and never will be: no leader, a transfer under way, too much uncommitted, or not a member. */
export class ProposalDropped extends RaftError {
  constructor() {
    super('PROPOSAL_DROPPED', 'raft proposal dropped');
  }
}

/** A response came from somebody who is no member of the configuration. */
export class PeerNotFound extends RaftError {
  constructor() {
    super('PEER_NOT_FOUND', 'raft: cannot step as peer not found');
  }
}

/** A message that a member sends only to itself came in from outside. */
export class LocalMessage extends RaftError {
  constructor() {
    super('LOCAL_MESSAGE', 'raft: cannot step raft local message');
  }
}

/** A setting of `RaftConfig` is out of its range. */
export class RaftConfigInvalid extends RaftError {
  constructor(message: string) {
    super('CONFIG_INVALID', message);
  }
}

/** A configuration change cannot be made from the present configuration. */
export class ConfChangeInvalid extends RaftError {
  constructor(message: string) {
    super('CONF_CHANGE_INVALID', message);
  }
}

/** An invariant of the core does not hold: the log is damaged or the code is wrong. The group must not go on. */
export class RaftPanic extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** A leader counts on entries that this member had acknowledged, and its log ends before them: its storage has lost them. */
export class LogLost extends RaftPanic {
  /** Committed as the leader says. */
  readonly commit: number;
  readonly lastIndex: number;

  constructor(commit: number, lastIndex: number) {
    super(
      `tocommit(${commit}) is out of range [lastIndex(${lastIndex})]. Was the raft log corrupted, truncated, or lost?`,
    );
    this.commit = commit;
    this.lastIndex = lastIndex;
  }
}
