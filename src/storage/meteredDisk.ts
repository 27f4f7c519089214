import type { Clock, Millis } from '../host/clock.ts';
import { type Disk, DiskError, type DiskFile, type DiskOperation } from '../host/disk.ts';

/** Told of every disk call when it has ended. `error` is undefined when it succeeded. */
export type DiskMeter = (
  operation: DiskOperation,
  path: string,
  durationMs: Millis,
  error: DiskError | undefined,
) => void;

/** A disk whose every call is reported to `meter`; otherwise the disk itself. */
export function meterDisk(disk: Disk, clock: Clock, meter: DiskMeter): Disk {
  async function metered<T>(operation: DiskOperation, path: string, call: () => Promise<T>): Promise<T> {
    const began = clock.now();
    try {
      const result = await call();
      meter(operation, path, clock.now() - began, undefined);
      return result;
    } catch (error) {
      if (error instanceof DiskError) meter(operation, path, clock.now() - began, error);
      throw error;
    }
  }

  function meteredFile(file: DiskFile): DiskFile {
    const { path } = file;
    return {
      path,
      read: (position, into) => metered('read', path, () => file.read(position, into)),
      write: (position, buffers, options) => metered('write', path, () => file.write(position, buffers, options)),
      sync: () => metered('sync', path, () => file.sync()),
      truncate: (bytes) => metered('truncate', path, () => file.truncate(bytes)),
      allocate: (bytes) => metered('allocate', path, () => file.allocate(bytes)),
      size: () => metered('size', path, () => file.size()),
      lock: () => metered('lock', path, () => file.lock()),
      close: () => metered('close', path, () => file.close()),
    };
  }

  return {
    open: async (path, options) => meteredFile(await metered('open', path, () => disk.open(path, options))),
    rename: (from, to) => metered('rename', from, () => disk.rename(from, to)),
    remove: (path) => metered('remove', path, () => disk.remove(path)),
    list: (path) => metered('list', path, () => disk.list(path)),
    stat: (path) => metered('stat', path, () => disk.stat(path)),
    makeDirectory: (path) => metered('makeDirectory', path, () => disk.makeDirectory(path)),
    syncDirectory: (path) => metered('syncDirectory', path, () => disk.syncDirectory(path)),
    usage: (path) => metered('usage', path, () => disk.usage(path)),
  };
}
