import type { Entry, HardState } from '../../../consensus/types.ts';
import type { Journal, Lsn } from '../../../storage/journal/index.ts';
import type { GroupId } from '../ids.ts';
import { type CheckpointRecord, decodeGroupRecord, type GroupRecordContent } from './journalFormat.ts';

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

/** A group that was removed from this broker: it does not begin a second time. */
export interface RemovedGroup {
  readonly generation: number;
  readonly metaIndex: number;
  readonly lsn: Lsn;
}

export interface Recovered {
  readonly groups: Map<GroupId, RecoveredGroup>;
  readonly removed: Map<GroupId, RemovedGroup>;
}

/**
 * What is known of a group. A group's first record is a checkpoint, but the file that had it may have gone: what comes before the first
 * one that is left may lie behind it in the log, and is kept until it is known.
 */
interface Fragment {
  hardState: { value: HardState; lsn: Lsn } | undefined;
  early: { readonly entries: readonly Entry[]; readonly lsn: Lsn }[];
  group: RecoveredGroup | undefined;
  /** Entries that do not follow what is there: files between are gone, which a checkpoint that comes later must have allowed. */
  gap: string | undefined;
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
        removed.set(record.stream, {
          generation: content.generation,
          metaIndex: content.metaIndex,
          lsn: record.lsn,
        });
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
    if (gap !== undefined) throw new Error(`group ${id}: ${gap}`);
    // Before its first checkpoint is durable a group takes no part in anything: what there is of it was never relied on.
    if (group === undefined) continue;
    if (hardState !== undefined) {
      group.hardState = hardState.value;
      group.hardStateLsn = hardState.lsn;
    }
    const last = group.entries.at(-1)?.index ?? group.checkpoint.metadata.index;
    const commit = Math.min(last, Math.max(group.hardState.commit, group.checkpoint.metadata.index));
    group.hardState = { ...group.hardState, commit };
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
  if (fragment.group === undefined) fragment.early.push({ entries: content.entries, lsn });
  else follow(fragment, fragment.group, content.entries, lsn);
}

/** Puts entries at the end; where they do not follow, what was there is of no use any more, and they wait for a checkpoint. */
function follow(fragment: Fragment, group: RecoveredGroup, entries: readonly Entry[], lsn: Lsn): void {
  const gap = appendRecovered(group, entries, lsn);
  if (gap === undefined) return;
  fragment.gap = gap;
  fragment.group = undefined;
  fragment.early = [{ entries, lsn }];
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
    for (const { entries, lsn: at } of dropReplaced(early)) {
      if (fragment.group === undefined) fragment.early.push({ entries, lsn: at });
      else follow(fragment, fragment.group, entries, at);
    }
    return;
  }
  group.checkpoint = checkpoint;
  group.checkpointLsn = lsn;
  const { index } = checkpoint.metadata;
  group.entries = checkpoint.replacesLog ? [] : group.entries.filter((entry) => entry.index > index);
  group.marks = checkpoint.replacesLog ? [] : group.marks.filter((mark) => mark.lastIndex > index);
}

/** Without the records that a later one replaces altogether: what is left of the log need not begin where they do. */
function dropReplaced(records: Fragment['early']): Fragment['early'] {
  const kept: Fragment['early'] = [];
  for (const record of records) {
    const from = record.entries[0]?.index ?? 0;
    while ((kept.at(-1)?.entries[0]?.index ?? -1) >= from) kept.pop();
    kept.push(record);
  }
  return kept;
}

/** Says what is missing, where something is. */
function appendRecovered(group: RecoveredGroup, entries: readonly Entry[], lsn: Lsn): string | undefined {
  const after = group.checkpoint.metadata.index;
  const fresh = entries.filter((entry) => entry.index > after);
  const first = fresh[0];
  if (first === undefined) return undefined;
  const kept = first.index - after - 1;
  if (kept > group.entries.length) {
    return `entry ${first.index} does not follow ${after + group.entries.length} at record ${lsn}`;
  }
  group.entries.length = kept;
  group.entries.push(...fresh);
  group.marks.push({ lsn, lastIndex: fresh.at(-1)?.index ?? first.index });
  return undefined;
}
