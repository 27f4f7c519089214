import { DiskError } from '../../../host/disk.ts';
import { replaceFile } from '../../../storage/atomicFile.ts';
import { crc32c } from '../../../wire/crc32c.ts';
import type { MachineCheckpoint } from '../broker/group.ts';
import { ByteSink, ByteSource } from './byteCodec.ts';
import type { PartitionCore } from './core.ts';
import type { LogStateData } from './logState.ts';
import { fileName, filePath } from './paths.ts';
import { decodeLogState, encodeLogState } from './stateCodec.ts';

/** A state of at most this size stands in the journal's checkpoint itself: most partitions need no file of it. */
const inlineBytesMax = 2048;
const where = { inline: 0, file: 1 } as const;

/**
 * Makes what was applied durable: the state as of the call, then everything written and synced, names included. A failed sync
 * ends the process through `fatal`, and rejects.
 */
export async function makeCheckpoint(core: PartitionCore): Promise<MachineCheckpoint> {
  const { index, term, directory } = core;
  const state = encodeLogState(core.state.data());
  if (core.mutants.checkpointBeforeSync) core.writer.drain();
  else await core.writer.sync();
  const sink = new ByteSink(state.length <= inlineBytesMax ? state.length + 8 : 32);
  if (state.length <= inlineBytesMax) {
    sink.u8(where.inline);
    sink.sized(state);
  } else {
    try {
      await replaceFile(core.host.disk, filePath(directory, index, 'producers'), [state]);
    } catch (error) {
      if (error instanceof DiskError && error.operation === 'sync') core.hooks.fatal(error);
      throw error;
    }
    sink.u8(where.file);
    sink.f64(index);
    sink.u32(state.length);
    sink.u32(crc32c(state));
    if (core.stateFiles.at(-1) !== index) core.stateFiles.push(index);
  }
  return { index, term, data: sink.finish() };
}

/** The state of a checkpoint. Undefined when the file that holds it is gone or broken. */
export async function readCheckpoint(
  disk: PartitionCore['host']['disk'],
  directory: string,
  data: Uint8Array,
): Promise<{ readonly state: LogStateData; readonly file: number | undefined } | undefined> {
  const source = new ByteSource(data);
  const kind = source.u8();
  if (kind === where.inline) return { state: decodeLogState(source.sized()), file: undefined };
  if (kind !== where.file) throw new Error(`${directory}: checkpoint of a kind that is not known: ${kind}`);
  const index = source.f64();
  const bytes = new Uint8Array(source.u32());
  const crc = source.u32();
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
  return { state: decodeLogState(bytes), file: index };
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
