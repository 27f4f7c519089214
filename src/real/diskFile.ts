import fs from 'node:fs';
import process from 'node:process';
import { DiskError, type DiskFile, type DiskOperation, type WriteOptions } from '../host/disk.ts';
import { diskError, isInterrupted } from './diskErrors.ts';
import { type FileLock, formatHolder, parseHolder, takeFileLock } from './diskLock.ts';

/** Most buffers that one writev takes (IOV_MAX of Linux). */
const buffersPerWrite = 1024;
/** Most bytes asked of one read: the kernel stops at 2 GiB anyway. */
const bytesPerRead = 1 << 30;
/** `allocate` writes zeros in pieces of this many bytes. */
const allocateChunkBytes = 1 << 20;
/** A lock file longer than this is somebody's data, not a pid. */
const holderBytes = 16;

type Settle = (error?: unknown) => void;

let zeros: Uint8Array | undefined;

/**
 * A file of the machine's own disk: a raw descriptor and the callback API of node:fs, whose calls run in libuv's thread
 * pool. A durable write is the hot path of a group commit: it makes no promise on its way, and from the second one on it
 * is a single call, a writev through a descriptor with O_DSYNC, where writev and fdatasync would go to the pool and back
 * twice. `close` waits for the calls in flight, as the kernel would give their descriptor to somebody else.
 */
export function createRealFile(fd: number, path: string): DiskFile {
  let closed = false;
  let inFlight = 0;
  let onIdle: (() => void) | undefined;
  let lock: FileLock | undefined;
  /** The same file with O_DSYNC; `none` where it cannot be opened so, `untried` before the first durable write. */
  let synced: number | 'none' | 'untried' = 'untried';
  /** Changes that were not durable, begun and ended, and how many of them a sync has covered: a write with O_DSYNC covers itself alone. */
  let changes = 0;
  let covered = -1;

  /** One writev, one fdatasync: everything of the file is durable afterwards. */
  function writeAndSync(position: number, buffers: readonly Uint8Array[], done: Settle): void {
    writeAll(fd, position, buffers, (error) => {
      if (error !== undefined) done(error);
      // Named as a sync: after one that failed nothing of the file may be trusted, whatever its code.
      else syncData(fd, (failed) => done(failed === undefined ? undefined : diskError(failed, 'sync', path)));
    });
  }

  function writeDurably(position: number, buffers: readonly Uint8Array[], done: Settle): void {
    if (typeof synced === 'number' && changes === covered) {
      writeAll(synced, position, buffers, (error) => {
        if (error === undefined) done();
        else nameFailure(fd, path, error, done);
      });
      return;
    }
    const covers = changes;
    writeAndSync(position, buffers, (error) => {
      if (error === undefined) covered = covers;
      if (error !== undefined || synced !== 'untried') {
        done(error);
        return;
      }
      synced = 'none';
      // The link leads to the file itself, whatever its name is by now.
      fs.open(`/proc/self/fd/${fd}`, fs.constants.O_RDWR | fs.constants.O_DSYNC, (failed, opened) => {
        if (failed === null) synced = opened;
        done();
      });
    });
  }

  /** Runs what changes the file and is not durable by itself. */
  function change(operation: 'write' | 'truncate' | 'allocate', run: (done: Settle) => void): Promise<void> {
    changes += 1;
    return operate<void>(operation, (resolve, fail) =>
      run((error) => {
        changes += 1;
        if (error === undefined) resolve();
        else fail(error);
      }),
    );
  }

  /** Runs one operation: counts it, and turns what it reports into a promise with typed errors. */
  function operate<T>(operation: DiskOperation, run: (resolve: (value: T) => void, fail: Settle) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (closed) {
        reject(new DiskError('EBADF', operation, path, { detail: 'the file is closed' }));
        return;
      }
      inFlight += 1;
      const finish = (): void => {
        inFlight -= 1;
        if (inFlight === 0) onIdle?.();
      };
      const fail: Settle = (error) => {
        finish();
        reject(diskError(error, operation, path));
      };
      try {
        run((value) => {
          finish();
          resolve(value);
        }, fail);
      } catch (error) {
        // node:fs throws at once on arguments that it does not take.
        fail(error);
      }
    });
  }

  return {
    path,
    read: (position, into) => operate<number>('read', (resolve, fail) => readAll(fd, position, into, resolve, fail)),

    write: (position: number, buffers: readonly Uint8Array[], options: WriteOptions) =>
      options.durable
        ? operate<void>('write', (resolve, fail) =>
            writeDurably(position, buffers, (error) => (error === undefined ? resolve() : fail(error))),
          )
        : change('write', (done) => writeAll(fd, position, buffers, done)),

    sync: () =>
      operate<void>('sync', (resolve, fail) => {
        syncData(fd, (error) => (error === undefined ? resolve() : fail(error)));
      }),

    truncate: (bytes) =>
      change('truncate', (done) => {
        // node:fs reads a negative length as 0; the kernel, and the caller's mistake, say otherwise.
        if (!Number.isSafeInteger(bytes) || bytes < 0) throw new DiskError('EINVAL', 'truncate', path);
        fs.ftruncate(fd, bytes, (error) => done(error ?? undefined));
      }),

    allocate: (bytes) =>
      change('allocate', (done) => {
        if (!Number.isSafeInteger(bytes) || bytes < 0) throw new DiskError('EINVAL', 'allocate', path);
        fs.fstat(fd, (error, before) => {
          if (error !== null) done(error);
          else if (before.size >= bytes) done();
          else growWithZeros(fd, before.size, bytes, done);
        });
      }),

    size: () =>
      operate<number>('size', (resolve, fail) => {
        fs.fstat(fd, (error, information) => (error === null ? resolve(information.size) : fail(error)));
      }),

    lock: () =>
      operate<void>('lock', (resolve, fail) => {
        if (lock !== undefined) {
          resolve();
          return;
        }
        acquire(fd, path).then((taken) => {
          lock = taken;
          resolve();
        }, fail);
      }),

    close: async () => {
      if (closed) throw new DiskError('EBADF', 'close', path, { detail: 'the file is closed' });
      closed = true;
      if (inFlight > 0) await new Promise<void>((resolve) => (onIdle = resolve));
      // The name in the file goes before the lock: the next holder writes its own.
      await lock?.release();
      await Promise.all([fd, ...(typeof synced === 'number' ? [synced] : [])].map((it) => closeDescriptor(it, path)));
    },
  };
}

function closeDescriptor(fd: number, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.close(fd, (error) => (error == null ? resolve() : reject(diskError(error, 'close', path))));
  });
}

/**
 * Says which half of a write with O_DSYNC has failed. For want of space it may be the write, and nothing is lost by that: then the
 * plain descriptor, to which the kernel tells by itself what it could not write back, has nothing to tell. Any other error counts
 * as one of the sync.
 */
function nameFailure(fd: number, path: string, error: unknown, done: Settle): void {
  const asSync = diskError(error, 'sync', path);
  if (asSync.code !== 'ENOSPC' && asSync.code !== 'EDQUOT') done(asSync);
  else syncData(fd, (failed) => done(failed === undefined ? diskError(error, 'write', path) : asSync));
}

function readAll(fd: number, position: number, into: Uint8Array, resolve: (read: number) => void, fail: Settle): void {
  let filled = 0;
  const next = (): void => {
    const want = Math.min(into.byteLength - filled, bytesPerRead);
    fs.read(fd, into, filled, want, position + filled, (error, count) => {
      if (error !== null) {
        if (isInterrupted(error)) next();
        else fail(error);
        return;
      }
      filled += count;
      if (count === 0 || filled === into.byteLength) resolve(filled);
      else next();
    });
  };
  if (into.byteLength === 0) resolve(0);
  else next();
}

function writeAll(fd: number, position: number, buffers: readonly Uint8Array[], done: Settle): void {
  let total = 0;
  for (const buffer of buffers) total += buffer.byteLength;
  if (total === 0) {
    done();
    return;
  }
  const batch = buffers.length <= buffersPerWrite ? buffers : buffers.slice(0, buffersPerWrite);
  fs.writev(fd, batch, position, (error, written) => {
    if (error !== null) {
      if (isInterrupted(error)) writeAll(fd, position, buffers, done);
      else done(error);
    } else if (written === total) done();
    // A regular file takes at least one byte or says why not: zero would make this loop for ever.
    else if (written === 0) done(new Error('writev took no byte and gave no error'));
    else writeAll(fd, position + written, dropBytes(buffers, written), done);
  });
}

/** The buffers without their first `count` bytes. */
function dropBytes(buffers: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let left = count;
  let first = 0;
  for (const buffer of buffers) {
    if (left < buffer.byteLength) break;
    left -= buffer.byteLength;
    first += 1;
  }
  return buffers.slice(first).map((buffer, index) => (index === 0 ? buffer.subarray(left) : buffer));
}

function syncData(fd: number, done: Settle): void {
  fs.fdatasync(fd, (error) => {
    if (error == null) done();
    else if (isInterrupted(error)) syncData(fd, done);
    else done(error);
  });
}

/** Writes zeros from `from` to `to`; on an error the file gets its old length back, and the disk its space. */
function growWithZeros(fd: number, from: number, to: number, done: Settle): void {
  zeros ??= new Uint8Array(allocateChunkBytes);
  const chunk = zeros;
  const next = (position: number): void => {
    if (position === to) {
      done();
      return;
    }
    const count = Math.min(allocateChunkBytes, to - position);
    writeAll(fd, position, [count === chunk.byteLength ? chunk : chunk.subarray(0, count)], (error) => {
      if (error === undefined) next(position + count);
      else fs.ftruncate(fd, from, () => done(error));
    });
  };
  next(from);
}

async function acquire(fd: number, path: string): Promise<FileLock> {
  const information = await new Promise<fs.Stats>((resolve, reject) => {
    fs.fstat(fd, (error, stats) => (error === null ? resolve(stats) : reject(error)));
  });
  const content = await new Promise<Uint8Array>((resolve, reject) => {
    const into = new Uint8Array(Math.min(information.size, holderBytes));
    readAll(fd, 0, into, (count) => resolve(into.subarray(0, count)), reject);
  });
  const taken = await takeFileLock(information.dev, information.ino);
  const holder = information.size <= holderBytes ? parseHolder(content) : undefined;
  if (taken === undefined) {
    throw new DiskError('ELOCKED', 'lock', path, {
      detail: holder === undefined ? 'another process holds it' : `process ${holder} holds it`,
      ...(holder === undefined ? {} : { holderPid: holder }),
    });
  }
  // Only an empty file or an older pid is written over: a file with data can be locked too, then nobody is named.
  if (information.size === 0 || holder !== undefined) {
    try {
      await writeHolder(fd, process.pid);
    } catch (error) {
      await taken.release();
      throw error;
    }
  }
  return taken;
}

function writeHolder(fd: number, pid: number): Promise<void> {
  const line = formatHolder(pid);
  return new Promise((resolve, reject) => {
    writeAll(fd, 0, [line], (error) => {
      if (error !== undefined) reject(error);
      else fs.ftruncate(fd, line.byteLength, (failed) => (failed === null ? resolve() : reject(failed)));
    });
  });
}
