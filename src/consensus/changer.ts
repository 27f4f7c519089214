import { type Configuration, configurationFault, isJoint, sortedIds } from './configuration.ts';
import { ConfChangeInvalid } from './errors.ts';
import type { ConfChangeSingle, RaftId } from './types.ts';

/** A configuration after a change, and who is to be tracked from nothing in it. */
export interface Changed {
  readonly configuration: Configuration;
  /** New members, and those that were removed and added again in one change. */
  readonly fresh: ReadonlySet<RaftId>;
}

/** A configuration while it is being changed. */
interface Draft {
  readonly incoming: Set<RaftId>;
  readonly outgoing: ReadonlySet<RaftId>;
  readonly learners: Set<RaftId>;
  readonly learnersNext: Set<RaftId>;
  readonly fresh: Set<RaftId>;
}

/**
 * From (1 2 3) to (1 2 3)&&(1 2 3), then the changes on the incoming half: C_old,new of the Raft thesis §4.3.
 * Throws `ConfChangeInvalid`.
 */
export function enterJoint(before: Configuration, autoLeave: boolean, changes: readonly ConfChangeSingle[]): Changed {
  mustBeSound(before);
  if (isJoint(before)) throw new ConfChangeInvalid('config is already joint');
  // Adding nodes to nobody is allowed, for a bootstrap; but a joint configuration needs an old half that can decide.
  if (before.incoming.length === 0) throw new ConfChangeInvalid("can't make a zero-voter config joint");
  const draft = draftOf(before, before.incoming);
  applyChanges(draft, changes);
  return finished(draft, autoLeave);
}

/** From C_old,new to C_new: the outgoing voters are let go, staged learners become learners. Throws `ConfChangeInvalid`. */
export function leaveJoint(before: Configuration): Changed {
  mustBeSound(before);
  if (!isJoint(before)) throw new ConfChangeInvalid("can't leave a non-joint config");
  const configuration: Configuration = {
    incoming: before.incoming,
    outgoing: [],
    learners: sortedIds([...before.learners, ...before.learnersNext]),
    learnersNext: [],
    autoLeave: false,
  };
  mustBeSound(configuration);
  return { configuration, fresh: new Set() };
}

/** Changes that together add or remove at most one voter, where old and new majorities meet anyway. Throws `ConfChangeInvalid`. */
export function changeSimply(before: Configuration, changes: readonly ConfChangeSingle[]): Changed {
  mustBeSound(before);
  if (isJoint(before)) throw new ConfChangeInvalid("can't apply simple config change in joint config");
  const draft = draftOf(before, []);
  applyChanges(draft, changes);
  if (votersChanged(before.incoming, draft.incoming) > 1) {
    throw new ConfChangeInvalid('more than one voter changed without entering joint config');
  }
  return finished(draft, false);
}

function draftOf(before: Configuration, outgoing: readonly RaftId[]): Draft {
  return {
    incoming: new Set(before.incoming),
    outgoing: new Set(outgoing),
    learners: new Set(before.learners),
    learnersNext: new Set(before.learnersNext),
    fresh: new Set(),
  };
}

function finished(draft: Draft, autoLeave: boolean): Changed {
  const configuration: Configuration = {
    incoming: sortedIds(draft.incoming),
    outgoing: sortedIds(draft.outgoing),
    learners: sortedIds(draft.learners),
    learnersNext: sortedIds(draft.learnersNext),
    autoLeave,
  };
  mustBeSound(configuration);
  return { configuration, fresh: draft.fresh };
}

function applyChanges(draft: Draft, changes: readonly ConfChangeSingle[]): void {
  for (const { type, node } of changes) {
    // Node 0 stands for a change that somebody above has decided against.
    if (node === 0) continue;
    if (type === 'add-node') makeVoter(draft, node);
    else if (type === 'add-learner') makeLearner(draft, node);
    else if (type === 'remove-node') remove(draft, node);
  }
  if (draft.incoming.size === 0) throw new ConfChangeInvalid('removed all voters');
}

function isTracked(draft: Draft, id: RaftId): boolean {
  return draft.incoming.has(id) || draft.outgoing.has(id) || draft.learners.has(id);
}

function makeVoter(draft: Draft, id: RaftId): void {
  if (!isTracked(draft, id)) draft.fresh.add(id);
  draft.learners.delete(id);
  draft.learnersNext.delete(id);
  draft.incoming.add(id);
}

function makeLearner(draft: Draft, id: RaftId): void {
  if (draft.learners.has(id)) return;
  if (!isTracked(draft, id)) draft.fresh.add(id);
  draft.incoming.delete(id);
  // A voter of the outgoing half cannot be a learner as well: it becomes one when that half is let go.
  if (draft.outgoing.has(id)) draft.learnersNext.add(id);
  else draft.learners.add(id);
}

function remove(draft: Draft, id: RaftId): void {
  draft.incoming.delete(id);
  draft.learners.delete(id);
  draft.learnersNext.delete(id);
}

function votersChanged(before: readonly RaftId[], after: ReadonlySet<RaftId>): number {
  const kept = before.filter((id) => after.has(id)).length;
  return before.length - kept + (after.size - kept);
}

function mustBeSound(configuration: Configuration): void {
  const fault = configurationFault(configuration);
  if (fault !== undefined) throw new ConfChangeInvalid(fault);
}
