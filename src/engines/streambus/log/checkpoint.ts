import { DiskError } from '../../../host/disk.ts';
import { replaceFile } from '../../../storage/atomicFile.ts';
import { crc32c } from '../../../wire/crc32c.ts';
import { ByteReader, ByteWriter } from '../../../wire/rpc/bytes.ts';
import type { MachineCheckpoint } from '../broker/group.ts';
import type { PartitionCore } from './core.ts';
import type { LogStateData } from './logState.ts';
import { fileName, filePath } from './paths.ts';
import { decodeLogState, encodeLogState } from './stateCodec.ts';

/** A state of at most this size stands in the journal's checkpoint itself: most partitions need no file of it. */
const inlineBytesMax = 2048;
const where = { inline: 0, file: 1 } as const;

/**
 * Makes what was applied durable: the state as of the call, then everything written and synced, names included. A trim meanwhile leaves
 * segments of that state unwritten: then it is the state after the trim. A failed sync ends the process through `fatal`, and rejects.
 */
export async function makeCheckpoint(core: PartitionCore): Promise<MachineCheckpoint> {
  for (;;) {
    const made = await tryCheckpoint(core);
    if (made !== undefined) return made;
  }
}

/** Undefined when what it would have named was not written, because it was trimmed away. */
async function tryCheckpoint(core: PartitionCore): Promise<MachineCheckpoint | undefined> {
  const { index, term, directory } = core;
  const data = core.state.data();
  // Aborted transactions have files of their own.
  const state = encodeLogState({ ...data, aborted: [] });
  // A catch-up puts others in their place.
  const { abortedFiles, writer: segments } = core;
  const aborted = abortedFiles.plan(core.state);
  const { skippedBytes } = segments;
  if (core.mutants.checkpointBeforeSync) segments.drain();
  else await segments.sync();
  if (segments.skippedBytes !== skippedBytes) return undefined;
  const writer = new ByteWriter(state.length <= inlineBytesMax ? state.length + 16 : 32);
  writer.u32(data.aborted.length);
  await dieOnFailedSync(core, () => abortedFiles.store(aborted));
  if (state.length <= inlineBytesMax) {
    writer.u8(where.inline);
    writer.bytes(state);
  } else {
    await dieOnFailedSync(core, () => replaceFile(core.host.disk, filePath(directory, index, 'producers'), [state]));
    writer.u8(where.file);
    writer.f64(index);
    writer.u32(state.length);
    writer.u32(crc32c(state));
    if (core.stateFiles.at(-1) !== index) core.stateFiles.push(index);
  }
  return { index, term, data: writer.take() };
}

async function dieOnFailedSync(core: PartitionCore, store: () => Promise<void>): Promise<void> {
  try {
    await store();
  } catch (error) {
    const isSync = error instanceof DiskError && (error.operation === 'sync' || error.operation === 'syncDirectory');
    if (isSync) core.hooks.fatal(error);
    throw error;
  }
}

/** What a checkpoint says. */
export interface CheckpointContent {
  readonly state: LogStateData;
  /** Aborted transactions that the `.txn` files hold. */
  readonly aborted: number;
  /** Log index that names the file of the state; undefined when it has none. */
  readonly file: number | undefined;
}

/** The state of a checkpoint. Undefined when the file that holds it is gone or broken. */
export async function readCheckpoint(
  disk: PartitionCore['host']['disk'],
  directory: string,
  data: Uint8Array,
): Promise<CheckpointContent | undefined> {
  const reader = new ByteReader(data);
  const aborted = reader.u32();
  const kind = reader.u8();
  if (kind === where.inline) return { state: decodeLogState(reader.bytes()), aborted, file: undefined };
  if (kind !== where.file) throw new Error(`${directory}: checkpoint of a kind that is not known: ${kind}`);
  const index = reader.f64();
  const bytes = new Uint8Array(reader.u32());
  const crc = reader.u32();
  try {
    const file = await disk.open(filePath(directory, index, 'producers'), { mode: 'read' });
    try {
      if ((await file.read(0, bytes)) < bytes.length || crc32c(bytes) !== crc) return undefined;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof DiskError) return undefined;
    throw error;
  }
  return { state: decodeLogState(bytes), aborted, file: index };
}

/** Removes state files that only checkpoints before the one of `index` name: that one is durable. */
export async function removeStateFiles(core: PartitionCore, index: number): Promise<void> {
  const old = core.stateFiles.filter((file) => file < index);
  core.stateFiles = core.stateFiles.filter((file) => file >= index);
  for (const file of old) await removeQuietly(core, fileName(file, 'producers'));
}

/** Removes a file that nothing names any more. One that stays is removed when the partition is opened. */
export async function removeQuietly(core: PartitionCore, name: string): Promise<void> {
  try {
    await core.host.disk.remove(`${core.directory}/${name}`);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    if (error.code === 'ENOENT') return;
    core.host.telemetry.logger.debug('a file that is not needed any more stays', {
      path: error.path,
      error: error.message,
    });
  }
}
