import fs from 'node:fs';
import { diskError, isInterrupted, isRefusal } from './diskErrors.ts';
import type { FileCalls, Settle } from './fileCalls.ts';

/** What O_DIRECT asks of positions and lengths, on any device that is in use. */
export const directAlignBytes = 4096;

/** Reads until `into` is full or the file ends. */
export function readAll(
  calls: FileCalls,
  fd: number,
  position: number,
  into: Uint8Array,
  resolve: (read: number) => void,
  fail: Settle,
): void {
  let filled = 0;
  const next = (): void => {
    calls.read(fd, into, filled, into.byteLength - filled, position + filled, (error, count) => {
      if (error !== undefined) {
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

/** Writes all of the buffers by one of an adapter's calls. */
export function writeAll(
  write: FileCalls['write'],
  fd: number,
  position: number,
  buffers: readonly Uint8Array[],
  done: Settle,
): void {
  const total = bytesOf(buffers);
  if (total === 0) {
    done();
    return;
  }
  write(fd, buffers, position, (error, written) => {
    if (error !== undefined) {
      if (isInterrupted(error)) writeAll(write, fd, position, buffers, done);
      else done(error);
    } else if (written === total) done();
    else if (written === 0) done(nothingTaken());
    else writeAll(write, fd, position + written, dropBytes(buffers, written), done);
  });
}

/** Writes all of the buffers and makes everything of the file durable. An error of the sync is named as one. */
export function writeAllAndSync(
  calls: FileCalls,
  fd: number,
  path: string,
  position: number,
  buffers: readonly Uint8Array[],
  done: Settle,
): void {
  const total = bytesOf(buffers);
  // Named as a sync: after one that failed nothing of the file may be trusted, whatever its code.
  const failed = (error: unknown): void => done(diskError(error, 'sync', path));
  const syncAlone = (): void =>
    syncData(calls, fd, (error) => {
      if (error === undefined) done();
      else failed(error);
    });
  if (total === 0) {
    syncAlone();
    return;
  }
  calls.writeAndSync(fd, buffers, position, (error, written, sync) => {
    if (error !== undefined) {
      if (isInterrupted(error)) writeAllAndSync(calls, fd, path, position, buffers, done);
      else done(error);
    } else if (written < total) {
      if (written === 0) done(nothingTaken());
      else writeAllAndSync(calls, fd, path, position + written, dropBytes(buffers, written), done);
    } else if (sync === 'made') done();
    else if (sync === 'missing' || isInterrupted(sync.failed)) syncAlone();
    else failed(sync.failed);
  });
}

export function syncData(calls: FileCalls, fd: number, done: Settle): void {
  calls.sync(fd, (error) => {
    if (error === undefined) done();
    else if (isInterrupted(error)) syncData(calls, fd, done);
    else done(error);
  });
}

/** Fewer zeros than these do not pay for a descriptor with O_DIRECT. */
const directZeroBytesLeast = 1 << 20;

/**
 * Reserves the space from `from` to `to` and writes zeros over it: a durable write on a reserved extent that was never written
 * has metadata to write as well. Where the adapter can, the zeros go past the page cache: nobody reads them, and what is in it would
 * have to be thrown out again by direct writes. On an error the file gets its old length back, and the disk its space.
 */
export function growWithZeros(calls: FileCalls, fd: number, from: number, to: number, done: Settle): void {
  let direct: number | undefined;
  const end = (error?: unknown): void => {
    if (direct === undefined) done(error);
    else fs.close(direct, () => done(error));
  };
  const giveUp = (error: unknown): void => fs.ftruncate(fd, from, () => end(error));
  const reserve = (): void =>
    calls.reserve(fd, from, to - from, (error) => {
      if (error === undefined) begin();
      else if (isInterrupted(error)) reserve();
      else giveUp(error);
    });
  const begin = (): void => {
    if (!calls.isDirect || to - from < directZeroBytesLeast) {
      next(from);
      return;
    }
    fs.open(`/proc/self/fd/${fd}`, fs.constants.O_RDWR | fs.constants.O_DIRECT, (failed, opened) => {
      if (failed === null) direct = opened;
      next(from);
    });
  };
  let canDirect = true;
  const next = (position: number): void => {
    if (position === to) {
      end();
      return;
    }
    const beforePage = -position & (directAlignBytes - 1);
    const isDirect = direct !== undefined && canDirect && beforePage === 0 && to - position >= directAlignBytes;
    const whole = to - position - ((to - position) % directAlignBytes);
    const length = isDirect ? whole : direct !== undefined && canDirect && beforePage > 0 ? beforePage : to - position;
    calls.writeZeros(
      isDirect && direct !== undefined ? direct : fd,
      position,
      Math.min(length, to - position),
      (error, written) => {
        if (error !== undefined) {
          if (isInterrupted(error)) next(position);
          else if (isDirect && isRefusal(error)) {
            canDirect = false;
            next(position);
          } else giveUp(error);
        } else if (written === 0) giveUp(nothingTaken());
        else next(position + written);
      },
    );
  };
  reserve();
}

/** A regular file takes at least one byte or says why not: zero would make a loop run for ever. */
function nothingTaken(): Error {
  return new Error('a write took no byte and gave no error');
}

export function bytesOf(buffers: readonly Uint8Array[]): number {
  let total = 0;
  for (const buffer of buffers) total += buffer.byteLength;
  return total;
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
