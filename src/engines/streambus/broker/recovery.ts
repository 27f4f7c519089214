import type { Entry, HardState } from '../../../consensus/types.ts';
import type { Journal, Lsn } from '../../../storage/journal/index.ts';
import type { GroupId } from '../ids.ts';
import {
  type CheckpointRecord,
  decodeGroupRecord,
  type GroupRecordContent,
  type RemovedRecord,
} from './journalFormat.ts';

/** Records of entries, oldest first: where the journal has what lies behind a checkpoint. */
export interface EntriesMark {
  readonly lsn: Lsn;
  readonly lastIndex: number;
}

/** What the journal has of a group. */
export interface RecoveredGroup {
  hardState: HardState;
  hardStateLsn: Lsn;
  checkpoint: CheckpointRecord;
  checkpointLsn: Lsn;
  /** Behind the checkpoint, without gaps. */
  entries: Entry[];
  marks: EntriesMark[];
}

/** A group that was removed from this broker: it does not begin a second time, and a member that comes back is on probation. */
export interface RemovedGroup extends RemovedRecord {
  readonly lsn: Lsn;
  /** It is about to come back: what begins it is under way to the journal, and nothing behind that may say that it is gone. */
  readonly isReturning?: boolean;
}

export interface Recovered {
  readonly groups: Map<GroupId, RecoveredGroup>;
  readonly removed: Map<GroupId, RemovedGroup>;
}

/** A record of entries. */
interface EntriesFound {
  readonly entries: readonly Entry[];
  readonly lsn: Lsn;
  readonly isCarried: boolean;
}

/**
 * What is known of a group. A group's first record is a checkpoint, but the file that had it may have gone: what comes before the first
 * one that is left may lie behind it in the log, and is kept until it is known.
 */
interface Fragment {
  hardState: { value: HardState; lsn: Lsn } | undefined;
  early: EntriesFound[];
  group: RecoveredGroup | undefined;
  /** Entries that do not follow what is there: files between are gone, which a checkpoint that comes later must have allowed. */
  gap: { readonly missing: string; readonly group: RecoveredGroup } | undefined;
}

/**
 * Reads the journal once and rebuilds every group: its last hard state, its last checkpoint, the entries after that. What a later
 * record replaced is dropped on the way, so memory holds no more than the groups' logs.
 */
export async function recoverGroups(journal: Journal): Promise<Recovered> {
  const fragments = new Map<GroupId, Fragment>();
  const removed = new Map<GroupId, RemovedGroup>();
  for await (const batch of journal.scan(journal.firstLsn)) {
    for (const record of batch) {
      const content = decodeGroupRecord(record);
      if (content.type === 'removed') {
        fragments.delete(record.stream);
        removed.set(record.stream, { ...content.removed, lsn: record.lsn });
        continue;
      }
      let fragment = fragments.get(record.stream);
      if (fragment === undefined) {
        fragment = { hardState: undefined, early: [], group: undefined, gap: undefined };
        fragments.set(record.stream, fragment);
      }
      if (content.type === 'checkpoint') removed.delete(record.stream);
      take(fragment, content, record.lsn);
    }
  }
  const groups = new Map<GroupId, RecoveredGroup>();
  for (const [id, { hardState, group, gap }] of fragments) {
    if (gap !== undefined) throw new Error(`group ${id}: ${gap.missing}`);
    // Before its first checkpoint is durable a group takes no part in anything: what there is of it was never relied on.
    if (group === undefined) continue;
    if (hardState !== undefined) {
      group.hardState = hardState.value;
      group.hardStateLsn = hardState.lsn;
    }
    const last = group.entries.at(-1)?.index ?? group.checkpoint.metadata.index;
    const commit = Math.min(last, Math.max(group.hardState.commit, group.checkpoint.metadata.index));
    group.hardState = { ...group.hardState, commit };
    // Entries that waited for their checkpoint came to their place after later ones.
    group.marks.sort((left, right) => left.lsn - right.lsn);
    groups.set(id, group);
  }
  return { groups, removed };
}

function take(fragment: Fragment, content: Exclude<GroupRecordContent, { type: 'removed' }>, lsn: Lsn): void {
  if (content.type === 'hardState') {
    fragment.hardState = { value: content.hardState, lsn };
    return;
  }
  if (content.type === 'checkpoint') {
    takeCheckpoint(fragment, content.checkpoint, lsn);
    return;
  }
  if (fragment.hardState !== undefined && content.commit > fragment.hardState.value.commit) {
    fragment.hardState = { ...fragment.hardState, value: { ...fragment.hardState.value, commit: content.commit } };
  }
  const found = { entries: content.entries, lsn, isCarried: content.isCarried };
  const { group, gap } = fragment;
  if (group !== undefined) follow(fragment, group, found);
  else if (gap !== undefined && reaches(gap.group, found)) fillGap(fragment, gap.group, found);
  else fragment.early.push(found);
}

/** Puts entries at the end; where they do not follow, what was there is of no use any more, and they wait for what was between. */
function follow(fragment: Fragment, group: RecoveredGroup, found: EntriesFound): void {
  const missing = appendRecovered(group, found);
  if (missing === undefined) return;
  fragment.gap = { missing, group: { ...group, entries: [], marks: [] } };
  fragment.group = undefined;
  fragment.early = [found];
}

/** Whether these entries follow the group's checkpoint, or what has come of the missing ones behind it. */
function reaches(group: RecoveredGroup, { entries }: EntriesFound): boolean {
  return (entries[0]?.index ?? Number.POSITIVE_INFINITY) <= group.checkpoint.metadata.index + group.entries.length + 1;
}

/**
 * What was carried forward has what is missing, in one record or several, and not what was on its way then: that stands before it.
 * Anything else replaces.
 */
function fillGap(fragment: Fragment, group: RecoveredGroup, found: EntriesFound): void {
  const { early } = fragment;
  fragment.group = group;
  fragment.gap = undefined;
  fragment.early = [];
  appendRecovered(group, found);
  if (!found.isCarried) return;
  for (const [at, record] of early.entries()) {
    const missing = appendRecovered(group, record);
    if (missing === undefined) continue;
    fragment.gap = { missing, group };
    fragment.group = undefined;
    fragment.early = early.slice(at);
    return;
  }
}

function takeCheckpoint(fragment: Fragment, checkpoint: CheckpointRecord, lsn: Lsn): void {
  const { group } = fragment;
  const isOther = group !== undefined && group.checkpoint.generation !== checkpoint.generation;
  if (group === undefined || isOther) {
    fragment.group = {
      hardState: { term: checkpoint.metadata.term, vote: 0, commit: checkpoint.metadata.index },
      hardStateLsn: lsn,
      checkpoint,
      checkpointLsn: lsn,
      entries: [],
      marks: [],
    };
    const early = checkpoint.replacesLog || isOther ? [] : fragment.early;
    fragment.early = [];
    fragment.gap = undefined;
    for (const found of dropReplaced(early)) {
      if (fragment.group === undefined) fragment.early.push(found);
      else follow(fragment, fragment.group, found);
    }
    return;
  }
  const { index } = checkpoint.metadata;
  // It was carried forward while a later one was on its way to the journal, and stands behind that. One that replaces the log is never
  // carried: a replica on probation begins with an empty one, below what it had.
  if (index < group.checkpoint.metadata.index && !checkpoint.replacesLog) return;
  group.checkpoint = checkpoint;
  group.checkpointLsn = lsn;
  group.entries = checkpoint.replacesLog ? [] : group.entries.filter((entry) => entry.index > index);
  group.marks = checkpoint.replacesLog ? [] : group.marks.filter((mark) => mark.lastIndex > index);
}

/** Without the records that a later one replaces altogether: what is left of the log need not begin where they do. */
function dropReplaced(records: Fragment['early']): Fragment['early'] {
  const kept: Fragment['early'] = [];
  for (const record of records) {
    const from = record.isCarried ? Number.POSITIVE_INFINITY : (record.entries[0]?.index ?? 0);
    while ((kept.at(-1)?.entries[0]?.index ?? -1) >= from) kept.pop();
    kept.push(record);
  }
  return kept;
}

/** Says what is missing, where something is. */
function appendRecovered(group: RecoveredGroup, { entries, lsn, isCarried }: EntriesFound): string | undefined {
  const after = group.checkpoint.metadata.index;
  const fresh = entries.filter((entry) => entry.index > after);
  const first = fresh[0];
  if (first === undefined) {
    // It ends below the checkpoint, which stands behind it: what came before it and reached further it replaced all the same.
    if (!isCarried) group.entries.length = 0;
    return undefined;
  }
  const kept = first.index - after - 1;
  if (kept > group.entries.length) {
    return `entry ${first.index} does not follow ${after + group.entries.length} at record ${lsn}`;
  }
  const last = fresh.at(-1) ?? first;
  const end = after + group.entries.length;
  if (isCarried) {
    group.entries.push(...fresh.filter(({ index }) => index > end));
  } else {
    group.entries.length = kept;
    group.entries.push(...fresh);
  }
  group.marks.push({ lsn, lastIndex: last.index });
  return undefined;
}
