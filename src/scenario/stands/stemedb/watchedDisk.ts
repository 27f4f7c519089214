import type { DiskCall, OpenFile } from '../../../checkers/stemedb/evidence.ts';
import { type Disk, DiskError, type DiskFile } from '../../../host/disk.ts';
import { headerBytes, type ParsedBatch, readBatch, readSegmentHeader } from './journalFormat.ts';

/** What the watcher of a disk is told and asks. */
export interface DiskWatch {
  readonly now: () => number;
  /** The next number of the run's order. */
  readonly order: () => number;
  /** The process has begun this call; its end is filled in later. */
  readonly began: (call: DiskCall) => void;
  /** Directory of the log: what is written there is read by its format. */
  readonly walDirectory: string;
  /** Salts of the segments that are there already, by path. */
  readonly salts: ReadonlyMap<string, number>;
}

/** A watched disk knows what its process has open. */
export interface WatchedDisk extends Disk {
  /** The same list as before unless something has changed. */
  openFiles(): readonly OpenFile[];
}

/**
 * A disk that writes down every call of one process, with the batches that it writes, and passes it on unchanged. Reads are
 * not written down: nothing is judged by them, and they are many.
 */
export function watchDisk(disk: Disk, incarnation: number, watch: DiskWatch): WatchedDisk {
  const salts = new Map(watch.salts);

  async function record<T>(
    fields: Omit<DiskCall, 'incarnation' | 'beganAtMs' | 'beganOrder' | 'endedAtMs' | 'endedOrder'>,
    work: () => Promise<T>,
  ): Promise<T> {
    const call: DiskCall = {
      ...fields,
      incarnation,
      beganAtMs: watch.now(),
      beganOrder: watch.order(),
      endedAtMs: Number.POSITIVE_INFINITY,
      endedOrder: Number.POSITIVE_INFINITY,
    };
    watch.began(call);
    try {
      return await work();
    } catch (error) {
      call.error = error instanceof DiskError ? error.code : 'UNKNOWN';
      if (error instanceof DiskError) call.failedOperation = error.operation;
      throw error;
    } finally {
      call.endedAtMs = watch.now();
      call.endedOrder = watch.order();
    }
  }

  /** Batches at the start of a write to a log file; why not, if it begins as one and is none. */
  function batchesOf(
    path: string,
    position: number,
    buffers: readonly Uint8Array[],
  ): Pick<DiskCall, 'batches' | 'malformed'> {
    if (!path.startsWith(`${watch.walDirectory}/`) || !path.endsWith('.wal')) return {};
    const bytes = buffers.length === 1 && buffers[0] !== undefined ? buffers[0] : Buffer.concat(buffers);
    if (position === 0) {
      const header = readSegmentHeader(bytes);
      if (header !== undefined) salts.set(path, header.recordSalt);
      return {};
    }
    if (position % headerBytes !== 0 || !startsBatch(bytes, 0)) return {};
    const salt = salts.get(path);
    if (salt === undefined) return {};
    const batches: ParsedBatch[] = [];
    for (let at = 0; at < bytes.length && startsBatch(bytes, at); ) {
      const batch = readBatch(bytes, at, salt);
      if (typeof batch === 'string') return { malformed: batch };
      if (batch.fileOffset !== position + at) return { malformed: `a batch that belongs at ${batch.fileOffset}` };
      batches.push(batch);
      at += batch.bytes;
    }
    return { batches: batches.map(({ records: _, ...seen }) => seen) };
  }

  function watchFile(file: DiskFile): DiskFile {
    return {
      path: file.path,
      read: (position, into) => file.read(position, into),
      write: (position, buffers, options) =>
        record(
          {
            operation: 'write',
            path: currentPath(file),
            position,
            bytes: buffers.reduce((sum, buffer) => sum + buffer.length, 0),
            durable: options.durable,
            ...batchesOf(currentPath(file), position, buffers),
          },
          () => file.write(position, buffers, options),
        ),
      sync: () => record({ operation: 'sync', path: currentPath(file) }, () => file.sync()),
      truncate: (bytes) =>
        record({ operation: 'truncate', path: currentPath(file), bytes }, () => file.truncate(bytes)),
      allocate: (bytes) =>
        record({ operation: 'allocate', path: currentPath(file), bytes }, () => file.allocate(bytes)),
      size: () => file.size(),
      lock: () => file.lock(),
      close: () => {
        open.delete(file);
        listed = undefined;
        return file.close();
      },
    };
  }

  /** An open file keeps its handle when its name changes: the spare becomes a segment. */
  const open = new Map<DiskFile, OpenFile>();
  let listed: readonly OpenFile[] | undefined;
  const currentPath = (file: DiskFile): string => open.get(file)?.path ?? file.path;

  function renamed(from: string, to: string): void {
    const salt = salts.get(from);
    if (salt !== undefined) salts.set(to, salt);
    salts.delete(from);
    for (const [file, seen] of open) if (seen.path === from) open.set(file, { ...seen, path: to });
    listed = undefined;
  }

  return {
    async open(path, options) {
      const file = await disk.open(path, options);
      open.set(file, { path, isReader: options.mode === 'read', openedAtMs: watch.now() });
      listed = undefined;
      return watchFile(file);
    },
    rename: (from, to) =>
      record({ operation: 'rename', path: from, to }, async () => {
        await disk.rename(from, to);
        renamed(from, to);
      }),
    remove: (path) => record({ operation: 'remove', path }, () => disk.remove(path)),
    list: (path) => disk.list(path),
    stat: (path) => disk.stat(path),
    makeDirectory: (path) => disk.makeDirectory(path),
    syncDirectory: (path) => record({ operation: 'syncDirectory', path }, () => disk.syncDirectory(path)),
    usage: (path) => disk.usage(path),
    openFiles() {
      listed ??= [...open.values()];
      return listed;
    },
  };
}

function startsBatch(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0x48 && bytes[at + 1] === 0x46 && bytes[at + 2] === 0x4a && bytes[at + 3] === 0x42;
}
