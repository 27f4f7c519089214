import type { ConfState, HardState, Message, RaftId, Ready, Snapshot } from '../../../consensus/types.ts';
import type { GroupId } from '../ids.ts';

/** What a member of a group begins with: what recovery read from its disk. */
export interface OpenedGroup {
  readonly group: GroupId;
  readonly member: RaftId;
  readonly hardState: HardState;
  readonly confState: ConfState;
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** Term of an entry, of `firstIndex - 1` too; undefined outside. */
  term(index: number): number | undefined;
}

/** The core of a member, when it gave work. */
export interface CoreState {
  readonly term: number;
  readonly leads: boolean;
  readonly commit: number;
}

/**
 * Told of what every group of a broker does, as it happens: the stand hangs its checkers on it. Every call is synchronous, must not
 * throw, keep or change what it is shown, and costs nothing where no observer was given.
 */
export interface GroupObserver {
  /** A replica was opened, before it takes part. */
  opened(opened: OpenedGroup): void;
  /**
   * The core gave this work: before anything of it is stored, sent or applied. `state` is that of the core then: its term, whether it
   * leads, what it knows to be committed.
   */
  ready(group: GroupId, member: RaftId, ready: Ready, state: CoreState): void;
  /** A message is handed to the network, whatever becomes of it there; also one that waited for the journal. */
  sent(group: GroupId, message: Message): void;
  /** An entry was applied by the machine of this member (or, empty, taken note of). */
  applied(
    group: GroupId,
    member: RaftId,
    entry: { readonly index: number; readonly term: number; readonly data: Uint8Array },
  ): void;
  /** A configuration was taken over by this member, by the entry at `index`. */
  configured(group: GroupId, member: RaftId, index: number, confState: ConfState): void;
  /** The state was replaced by a snapshot, which is durable now. */
  restored(group: GroupId, member: RaftId, snapshot: Snapshot['metadata']): void;
  /** A leader confirms to `of` where its probation ends: nothing that it acknowledged before it began anew counts from here on. */
  probation(group: GroupId, leader: RaftId, of: RaftId): void;
  /** The replica was closed or removed. */
  closed(group: GroupId, member: RaftId): void;
}
