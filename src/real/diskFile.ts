import fs from 'node:fs';
import { DiskError, type DiskFile, type DiskOperation, type WriteOptions } from '../host/disk.ts';
import { diskError, isRefusal } from './diskErrors.ts';
import type { FileLock } from './diskLock.ts';
import type { FileCalls, Settle } from './fileCalls.ts';
import { acquireFileLock } from './fileHolder.ts';
import { bytesOf, directAlignBytes, growWithZeros, readAll, syncData, writeAll, writeAllAndSync } from './fileLoops.ts';

/** One more descriptor of the file; `none` where it cannot be had, `untried` before the first write that would use it. */
type SecondDescriptor = number | 'none' | 'untried';

/**
 * A file of the machine's own disk: a raw descriptor, and the calls of an adapter. A durable write is the hot path of a group
 * commit: it makes no promise on its way, and from the second one on it is a single call, through a descriptor with O_DSYNC, where
 * write and fdatasync would be two. Where the adapter can, whole pages over what the file has already go through one with O_DIRECT
 * besides, past the page cache. `close` waits for the calls in flight, as the kernel would give their descriptor to somebody else.
 */
export function createRealFile(fd: number, path: string, calls: FileCalls, isUncached: boolean): DiskFile {
  let closed = false;
  let inFlight = 0;
  let onIdle: (() => void) | undefined;
  let lock: FileLock | undefined;
  const second: { synced: SecondDescriptor; direct: SecondDescriptor } = {
    synced: 'untried',
    direct: calls.isDirect ? 'untried' : 'none',
  };
  /** Descriptors that are used no more; other calls may still be under way through them, so they are closed with the file. */
  const retired: number[] = [];
  /** The file is at least as long, as far as is known here: a direct write beyond would change its metadata, and so go slowly. */
  let knownBytes = 0;
  /** Changes that were not durable, begun and ended, and how many of them a sync has covered: a write with O_DSYNC covers itself alone. */
  let changes = 0;
  let covered = -1;

  function writeDurably(position: number, buffers: readonly Uint8Array[], done: Settle): void {
    const bytes = bytesOf(buffers);
    const isAligned = position % directAlignBytes === 0 && bytes % directAlignBytes === 0 && bytes > 0;
    const isOver = position + bytes <= knownBytes || second.direct === 'untried';
    const kind = second.direct !== 'none' && isAligned && isOver ? 'direct' : 'synced';
    const descriptor = second[kind];
    if (typeof descriptor === 'number' && changes === covered && bytes <= calls.durableMostBytes) {
      writeAll(kind === 'direct' ? calls.writeDirect : calls.writeSynced, descriptor, position, buffers, (error) => {
        if (error === undefined) done();
        else if (kind === 'direct' && isRefusal(error)) {
          // The file system opens files with O_DIRECT and then does not write so.
          if (second.direct === descriptor) {
            second.direct = 'none';
            retired.push(descriptor);
          }
          writeDurably(position, buffers, done);
        } else nameFailure(calls, fd, path, error, done);
      });
      return;
    }
    const covers = changes;
    writeAllAndSync(calls, fd, path, position, buffers, (error) => {
      if (error === undefined) covered = covers;
      if (error !== undefined || second[kind] !== 'untried') done(error);
      else openSecond(kind, done);
    });
  }

  function openSecond(kind: 'synced' | 'direct', done: Settle): void {
    second[kind] = 'none';
    const { O_RDWR, O_DSYNC, O_DIRECT } = fs.constants;
    // The link leads to the file itself, whatever its name is by now.
    fs.open(`/proc/self/fd/${fd}`, O_RDWR | O_DSYNC | (kind === 'direct' ? O_DIRECT : 0), (failed, opened) => {
      if (failed === null) second[kind] = opened;
      if (kind === 'synced') {
        done();
        return;
      }
      fs.fstat(fd, (unknown, information) => {
        if (unknown === null) knownBytes = information.size;
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
        // Arguments that no kernel takes are refused at once.
        fail(error);
      }
    });
  }

  return {
    path,
    read: (position, into) =>
      operate<number>('read', (resolve, fail) => {
        const read = (): void => readAll(calls, fd, position, into, resolve, fail);
        if (isUncached && into.byteLength > 0) calls.forget(fd, position, into.byteLength, read);
        else read();
      }),

    write: (position: number, buffers: readonly Uint8Array[], options: WriteOptions) =>
      options.durable
        ? operate<void>('write', (resolve, fail) =>
            writeDurably(position, buffers, (error) => (error === undefined ? resolve() : fail(error))),
          )
        : change('write', (done) => writeAll(calls.write, fd, position, buffers, done)),

    sync: () =>
      operate<void>('sync', (resolve, fail) => {
        syncData(calls, fd, (error) => (error === undefined ? resolve() : fail(error)));
      }),

    truncate: (bytes) =>
      change('truncate', (done) => {
        // node:fs reads a negative length as 0; the kernel, and the caller's mistake, say otherwise.
        if (!Number.isSafeInteger(bytes) || bytes < 0) throw new DiskError('EINVAL', 'truncate', path);
        knownBytes = Math.min(knownBytes, bytes);
        fs.ftruncate(fd, bytes, (error) => {
          if (error === null) knownBytes = bytes;
          done(error ?? undefined);
        });
      }),

    allocate: (bytes) =>
      change('allocate', (done) => {
        if (!Number.isSafeInteger(bytes) || bytes < 0) throw new DiskError('EINVAL', 'allocate', path);
        fs.fstat(fd, (error, before) => {
          if (error !== null) done(error);
          else if (before.size >= bytes) done();
          else {
            growWithZeros(calls, fd, before.size, bytes, (failed) => {
              if (failed === undefined) knownBytes = Math.max(knownBytes, bytes);
              done(failed);
            });
          }
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
        acquireFileLock(fd, path).then((taken) => {
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
      const descriptors = [fd, second.synced, second.direct, ...retired].filter((it) => typeof it === 'number');
      await Promise.all(descriptors.map((it) => closeDescriptor(it, path)));
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
function nameFailure(calls: FileCalls, fd: number, path: string, error: unknown, done: Settle): void {
  const asSync = diskError(error, 'sync', path);
  if (asSync.code !== 'ENOSPC' && asSync.code !== 'EDQUOT') done(asSync);
  else syncData(calls, fd, (failed) => done(failed === undefined ? diskError(error, 'write', path) : asSync));
}
