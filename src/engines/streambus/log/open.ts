import { type Disk, DiskError } from '../../../host/disk.ts';
import type { Host } from '../../../host/host.ts';
import { makeDirectoryDurably, parentOf, replaceFile } from '../../../storage/atomicFile.ts';
import type { MachineCheckpoint } from '../broker/group.ts';
import type { PartitionInfo } from '../meta/metadata.ts';
import { loadAborted } from './abortedFiles.ts';
import { restoringFile, trimmedFile } from './catchUpReceive.ts';
import { type CheckpointContent, readCheckpoint } from './checkpoint.ts';
import { findHeadStart, type HeadStart } from './headStart.ts';
import type { LogStateData } from './logState.ts';
import { filePath, parseFileName } from './paths.ts';
import { DirectoryOfLater, PartitionRegressed } from './regressed.ts';

/** Whose log a directory holds. */
const identityFile = 'partition.json';

interface PartitionIdentity {
  readonly format: 1;
  readonly topic: string;
  readonly partition: number;
  readonly group: number;
  readonly generation: number;
}

/** What recovery found in a partition's directory. */
export interface Recovered {
  readonly state: LogStateData | undefined;
  readonly index: number;
  readonly term: number;
  /** Log indexes of the state files that stay. */
  readonly stateFiles: readonly number[];
  /** Intact bytes that lie beyond. */
  readonly headStart: readonly HeadStart[];
  /** A catch-up was under way, or had ended without a checkpoint since. */
  readonly restoring: boolean;
  /** Records of each `.txn` file. */
  readonly txnCounts: ReadonlyMap<number, number>;
  /** The `.txn` files do not hold what the checkpoint says: aborted transactions must be found by reading the log. */
  readonly abortedLost: boolean;
}

/** The state with its aborted transactions. */
async function withAborted(
  host: Host,
  directory: string,
  { state, aborted }: CheckpointContent,
): Promise<{ state: LogStateData; txnCounts: ReadonlyMap<number, number>; abortedLost: boolean }> {
  if (aborted === 0) return { state, txnCounts: new Map(), abortedLost: false };
  const bases = state.segments.map((segment) => segment.base);
  const { list, counts } = await loadAborted(host, directory, bases, state.next);
  const retained = list.filter((transaction) => transaction.lastOffset >= state.start);
  if (retained.length !== aborted) return { state, txnCounts: new Map(), abortedLost: true };
  return { state: { ...state, aborted: retained }, txnCounts: counts, abortedLost: false };
}

/**
 * Brings the directory back to its checkpoint: drops bytes and files beyond it, unless a catch-up brought them, and checks that
 * everything it names is there. Without a checkpoint it begins empty, or, with `salvage`, with nothing applied and all that is intact
 * at hand. Rejects with `PartitionRegressed` when less is there than the checkpoint promises.
 */
export async function recover(
  host: Host,
  info: PartitionInfo,
  directory: string,
  checkpoint: MachineCheckpoint | undefined,
  salvage: boolean,
): Promise<Recovered> {
  if (checkpoint !== undefined) return recoverTo(host, info, directory, checkpoint);
  await makeDirectoryDurably(host.disk, directory);
  // Another partition that is opened at the same time may have made the topic's directory, and not have synced its name yet.
  await host.disk.syncDirectory(parentOf(parentOf(directory)));
  const identity = await readIdentity(host.disk, directory);
  refuseLater(identity, info, directory);
  const isOurs = identity !== undefined && identity.group === info.group && identity.generation === info.generation;
  const headStart = salvage && isOurs ? await findHeadStart(host, directory, () => undefined) : [];
  const kept = new Set(headStart.filter((part) => part.bytes > 0).map((part) => part.base));
  await removeFiles(host.disk, directory, ({ offset, kind }) => kind !== 'seg' || !kept.has(offset));
  if (!isOurs) await writeIdentity(host.disk, info, directory);
  return {
    state: undefined,
    index: 0,
    term: 0,
    stateFiles: [],
    headStart,
    restoring: false,
    txnCounts: new Map(),
    abortedLost: false,
  };
}

async function recoverTo(
  host: Host,
  info: PartitionInfo,
  directory: string,
  checkpoint: MachineCheckpoint,
): Promise<Recovered> {
  const { disk } = host;
  const identity = await readIdentity(disk, directory);
  refuseLater(identity, info, directory);
  if (identity === undefined) {
    throw new PartitionRegressed('missing', `${directory}: the partition's files are gone, its checkpoint is not`);
  }
  if (identity.group !== info.group || identity.generation !== info.generation) {
    throw new PartitionRegressed(
      'foreign',
      `${directory}: expected group ${info.group} of generation ${info.generation}, found ${identity.group} of ${identity.generation}`,
    );
  }
  const read = await readCheckpoint(disk, directory, checkpoint.data);
  if (read === undefined) {
    throw new PartitionRegressed('state-lost', `${directory}: the file with the producers' state is gone or broken`);
  }
  const { file } = read;
  const { state, txnCounts, abortedLost } = await withAborted(host, directory, read);
  const trimmed = await readTrimmed(disk, directory);
  for (const { base, bytes } of state.segments) {
    if (!trimmed.has(base)) await expectLength(disk, filePath(directory, base, 'seg'), bytes);
  }
  const named = new Map(
    state.segments.map((segment, n) => [
      segment.base,
      { bytes: segment.bytes, next: state.segments[n + 1]?.base ?? state.next },
    ]),
  );
  const restoring = (await lengthOf(disk, `${directory}/${restoringFile}`)) !== undefined;
  const found = restoring ? await findHeadStart(host, directory, (base) => named.get(base)) : [];
  const headStart = found.filter((part) => part.bytes > (named.get(part.base)?.bytes ?? 0));
  const kept = new Set(headStart.map((part) => part.base));
  await removeFiles(disk, directory, ({ offset, kind }) =>
    kind === 'producers' ? offset !== file : !named.has(offset) && !(kind === 'seg' && kept.has(offset)),
  );
  for (const [base, { bytes }] of named) {
    if (!kept.has(base)) await cutTo(disk, filePath(directory, base, 'seg'), bytes);
  }
  const stateFiles = file === undefined ? [] : [file];
  return {
    state,
    index: checkpoint.index,
    term: checkpoint.term,
    stateFiles,
    headStart,
    restoring,
    txnCounts,
    abortedLost,
  };
}

/** Bases of the segments that were trimmed while they were caught up; see `trimmedFile`. */
async function readTrimmed(disk: Disk, directory: string): Promise<ReadonlySet<number>> {
  const read: unknown = await readJson(disk, `${directory}/${trimmedFile}`);
  return new Set(Array.isArray(read) ? read.filter((base) => typeof base === 'number') : []);
}

/** Bytes of a file; undefined when it is not there. */
async function lengthOf(disk: Disk, path: string): Promise<number | undefined> {
  try {
    return (await disk.stat(path)).bytes;
  } catch (error) {
    if (error instanceof DiskError && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function expectLength(disk: Disk, path: string, bytes: number): Promise<void> {
  const length = (await lengthOf(disk, path)) ?? 0;
  if (length < bytes) {
    throw new PartitionRegressed('short', `${path}: ${bytes} bytes were synced, ${length} are there`);
  }
}

/** Drops what follows the checkpoint in a segment. */
async function cutTo(disk: Disk, path: string, bytes: number): Promise<void> {
  if (((await lengthOf(disk, path)) ?? 0) <= bytes) return;
  const file = await disk.open(path, { mode: 'write' });
  try {
    await file.truncate(bytes);
  } finally {
    await file.close();
  }
}

async function removeFiles(
  disk: Disk,
  directory: string,
  goes: (file: NonNullable<ReturnType<typeof parseFileName>>) => boolean,
): Promise<void> {
  for (const { name, kind } of await disk.list(directory)) {
    const parsed = parseFileName(name);
    const unfinished = kind === 'file' && name.endsWith('.tmp');
    if (unfinished || (parsed !== undefined && goes(parsed))) await disk.remove(`${directory}/${name}`);
  }
}

/** Says whose the directory is from now on. */
export async function writeIdentity(disk: Disk, info: PartitionInfo, directory: string): Promise<void> {
  const { topic, partition, group, generation } = info;
  const identity: PartitionIdentity = { format: 1, topic, partition, group, generation };
  await replaceFile(disk, `${directory}/${identityFile}`, [new TextEncoder().encode(`${JSON.stringify(identity)}\n`)]);
}

/** @throws DirectoryOfLater */
function refuseLater(identity: PartitionIdentity | undefined, info: PartitionInfo, directory: string): void {
  if (!isLaterThan(identity, info)) return;
  throw new DirectoryOfLater(
    `${directory}: expected group ${info.group} of generation ${info.generation}, found ${identity.group} of ${identity.generation}, which is later: the metadata here are not up to date yet`,
  );
}

/** Whether files are of a later topic of that name, or of this one once it was made anew. */
export function isLaterThan(
  identity: PartitionIdentity | undefined,
  { group, generation }: Pick<PartitionIdentity, 'group' | 'generation'>,
): identity is PartitionIdentity {
  if (identity === undefined) return false;
  return identity.group > group || (identity.group === group && identity.generation > generation);
}

/** Whose the directory is; undefined when it is nobody's, or does not say. */
export async function readIdentity(disk: Disk, directory: string): Promise<PartitionIdentity | undefined> {
  const read: unknown = await readJson(disk, `${directory}/${identityFile}`);
  return isIdentity(read) ? read : undefined;
}

/** What a small file says in JSON; undefined when it is not there or says nothing. */
async function readJson(disk: Disk, path: string): Promise<unknown> {
  let text: string;
  try {
    const file = await disk.open(path, { mode: 'read' });
    try {
      const bytes = new Uint8Array(await file.size());
      text = new TextDecoder().decode(bytes.subarray(0, await file.read(0, bytes)));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof DiskError && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isIdentity(value: unknown): value is PartitionIdentity {
  if (typeof value !== 'object' || value === null) return false;
  // An object: its fields may be asked for.
  const fields = value as Partial<Record<keyof PartitionIdentity, unknown>>;
  return fields.format === 1 && typeof fields.group === 'number' && typeof fields.generation === 'number';
}
