import type { ConfState, Entry, EntryType, HardState, RaftId, SnapshotMetadata } from '../../../consensus/types.ts';
import type { RecordIn, RecordOut } from '../../../storage/journal/index.ts';
import { ByteReader, ByteWriter } from '../../../wire/rpc/bytes.ts';
import type { GroupId } from '../ids.ts';

/**
 * What a broker's journal has of its groups: one stream a group. Later records win; entries replace those at the end of the group's log
 * from their first index on. Carried entries replace nothing: they are there already, unless the files that had them are gone.
 */
export const GroupRecord = { entries: 1, hardState: 2, checkpoint: 3, removed: 4, carried: 5 } as const;

const CheckpointFlag = { replacesLog: 1, probation: 2 } as const;

/** Entries of one record: a record larger than this holds one entry. Well below the smallest file that a journal may have. */
const recordBytesMax = 64 * 1024;

const entryTypes: readonly EntryType[] = ['normal', 'conf-change', 'conf-change-v2'];

/** Where a group's machine begins at the next start. */
export interface CheckpointRecord {
  readonly generation: number;
  readonly metadata: SnapshotMetadata;
  /** The log up to the index, and whatever is behind it, was replaced by another replica's state. */
  readonly replacesLog: boolean;
  /** The replica has lost what it had applied, and has no vote until a leader has confirmed what it holds. */
  readonly probation: boolean;
  /** What `open` needs: undefined for a machine that begins from nothing; `file`: it stands in the group's snapshot file. */
  readonly data: Uint8Array | 'file' | undefined;
}

/** A record of a group. */
export type GroupRecordContent =
  | {
      readonly type: 'entries';
      readonly commit: number;
      readonly entries: readonly Entry[];
      /** Written once more, so that old files may go: what stood behind them still does. */
      readonly isCarried: boolean;
    }
  | { readonly type: 'hardState'; readonly hardState: HardState }
  | { readonly type: 'checkpoint'; readonly checkpoint: CheckpointRecord }
  | { readonly type: 'removed'; readonly removed: RemovedRecord };

/** What is remembered of a group that was removed here. */
export interface RemovedRecord {
  readonly generation: number;
  /** Last applied entry of the metadata when it was. */
  readonly metaIndex: number;
  /** Where the member stood, and whom it had elected there: should it come back under the same raft id, it has promised that still. */
  readonly term: number;
  readonly vote: RaftId;
}

/** Entries that are carried forward. Of several records a crash may leave only the first. */
export function carriedRecords(group: GroupId, entries: readonly Entry[], commit: number): RecordIn[] {
  return entriesRecords(group, entries, commit).map((record) => ({ ...record, type: GroupRecord.carried }));
}

/** Entries of a group, in as many records as they need. */
export function entriesRecords(group: GroupId, entries: readonly Entry[], commit: number): RecordIn[] {
  const records: RecordIn[] = [];
  let from = 0;
  while (from < entries.length) {
    let to = from;
    let bytes = 0;
    for (; to < entries.length; to++) {
      const entry = entries[to];
      if (entry === undefined) break;
      bytes += entry.data.length;
      if (bytes > recordBytesMax && to > from) break;
    }
    records.push({
      type: GroupRecord.entries,
      stream: group,
      payload: entriesPayload(entries.slice(from, to), commit),
    });
    from = to;
  }
  return records;
}

/** Head of the record, then head and data of each entry; the journal lays the pieces one after the other. */
function entriesPayload(entries: readonly Entry[], commit: number): Uint8Array[] {
  const heads = new ByteWriter(16 + entries.length * 9);
  heads.u48(entries[0]?.index ?? 0);
  heads.u48(commit);
  heads.u32(entries.length);
  for (const entry of entries) {
    heads.u32(entry.term);
    heads.u8(entryTypes.indexOf(entry.type));
    heads.u32(entry.data.length);
  }
  const pieces: Uint8Array[] = [heads.take()];
  for (const entry of entries) if (entry.data.length > 0) pieces.push(entry.data);
  return pieces;
}

export function hardStateRecord(group: GroupId, hardState: HardState): RecordIn {
  const writer = new ByteWriter(16);
  writer.u32(hardState.term);
  writer.u48(hardState.vote);
  writer.u48(hardState.commit);
  return { type: GroupRecord.hardState, stream: group, payload: writer.take() };
}

export function checkpointRecord(group: GroupId, checkpoint: CheckpointRecord): RecordIn {
  const writer = new ByteWriter(256);
  writer.u32(checkpoint.generation);
  writer.u8(
    (checkpoint.replacesLog ? CheckpointFlag.replacesLog : 0) | (checkpoint.probation ? CheckpointFlag.probation : 0),
  );
  writer.u48(checkpoint.metadata.index);
  writer.u32(checkpoint.metadata.term);
  writeConfState(writer, checkpoint.metadata.confState);
  writer.u8(checkpoint.data === undefined ? 0 : checkpoint.data === 'file' ? 1 : 2);
  if (checkpoint.data !== undefined && checkpoint.data !== 'file') writer.bytes(checkpoint.data);
  return { type: GroupRecord.checkpoint, stream: group, payload: writer.take() };
}

export function removedRecord(group: GroupId, { generation, metaIndex, term, vote }: RemovedRecord): RecordIn {
  const writer = new ByteWriter(20);
  writer.u32(generation);
  writer.u48(metaIndex);
  writer.u32(term);
  writer.u48(vote);
  return { type: GroupRecord.removed, stream: group, payload: writer.take() };
}

/** Reads a record; what it gives is its own. Throws `MalformedBytes`, or for a type that is unknown. */
export function decodeGroupRecord(record: RecordOut): GroupRecordContent {
  const reader = new ByteReader(record.payload);
  switch (record.type) {
    case GroupRecord.entries:
    case GroupRecord.carried:
      return decodeEntries(reader, record.type === GroupRecord.carried);
    case GroupRecord.hardState:
      return { type: 'hardState', hardState: { term: reader.u32(), vote: reader.u48(), commit: reader.u48() } };
    case GroupRecord.checkpoint:
      return { type: 'checkpoint', checkpoint: decodeCheckpoint(reader) };
    case GroupRecord.removed:
      return { type: 'removed', removed: decodeRemoved(reader) };
    default:
      throw new Error(`record ${record.lsn} is of type ${record.type}, which this version does not know`);
  }
}

function decodeEntries(reader: ByteReader, isCarried: boolean): GroupRecordContent {
  const first = reader.u48();
  const commit = reader.u48();
  const heads = Array.from({ length: reader.u32() }, () => ({
    term: reader.u32(),
    type: entryTypeOf(reader.u8()),
    length: reader.u32(),
  }));
  const entries = heads.map(({ term, type, length }, at) => ({
    term,
    index: first + at,
    type,
    data: reader.raw(length).slice(),
  }));
  return { type: 'entries', commit, entries, isCarried };
}

/** Records of earlier versions end before the term. */
function decodeRemoved(reader: ByteReader): RemovedRecord {
  const generation = reader.u32();
  const metaIndex = reader.u48();
  if (reader.left === 0) return { generation, metaIndex, term: 0, vote: 0 };
  return { generation, metaIndex, term: reader.u32(), vote: reader.u48() };
}

function decodeCheckpoint(reader: ByteReader): CheckpointRecord {
  const generation = reader.u32();
  const flags = reader.u8();
  const index = reader.u48();
  const term = reader.u32();
  const confState = readConfState(reader);
  const form = reader.u8();
  const data = form === 0 ? undefined : form === 1 ? 'file' : reader.bytes().slice();
  return {
    generation,
    metadata: { index, term, confState },
    replacesLog: (flags & CheckpointFlag.replacesLog) !== 0,
    probation: (flags & CheckpointFlag.probation) !== 0,
    data,
  };
}

/** Number of an entry's type on disk and wire. */
export function entryTypeNumber(type: EntryType): number {
  return entryTypes.indexOf(type);
}

/** The reverse of `entryTypeNumber`; throws for an unknown one. */
export function entryTypeOf(value: number): EntryType {
  const type = entryTypes[value];
  if (type === undefined) throw new Error(`an entry is of type ${value}, expected 0 to ${entryTypes.length - 1}`);
  return type;
}

export function writeConfState(writer: ByteWriter, confState: ConfState): void {
  for (const ids of [confState.voters, confState.votersOutgoing, confState.learners, confState.learnersNext]) {
    writer.u16(ids.length);
    for (const id of ids) writer.u48(id);
  }
  writer.u8(confState.autoLeave ? 1 : 0);
}

export function readConfState(reader: ByteReader): ConfState {
  const ids = (): RaftId[] => Array.from({ length: reader.u16() }, () => reader.u48());
  return {
    voters: ids(),
    votersOutgoing: ids(),
    learners: ids(),
    learnersNext: ids(),
    autoLeave: reader.u8() === 1,
  };
}
