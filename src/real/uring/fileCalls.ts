import { constants } from 'node:os';
import { type FileCalls, nodeFileCalls } from '../fileCalls.ts';
import { bytesOf } from '../fileLoops.ts';
import { kernelError, type Ring } from './ring.ts';

/** What the addon writes in one piece. */
const pieceBytes = 1 << 20;
/** What one call drops from the page cache at most. */
const forgetBytesMost = 1 << 30;
/**
 * A longer read or cached write goes by node:fs: the ring saves it a change of threads, some ten microseconds, and has the main thread
 * copy the bytes instead.
 */
const bulkBytes = 128 << 10;
const notMade = -constants.errno.ECANCELED;
const notSupported = new Set([-constants.errno.EOPNOTSUPP, -constants.errno.ENOSYS]);

/**
 * The calls of a file through this thread's ring. A ring is full at 64 operations or 32 MiB in flight: what comes then goes by
 * node:fs, to the same descriptor and with the same result, as does what the kernel's io_uring lacks; a direct write waits its turn.
 *
 * A durable write is a write and an fdatasync linked behind it, in one submission, or one write through a descriptor with O_DSYNC; which
 * one is `diskFile`'s to choose, as it is to use O_DIRECT. It is copied into aligned memory of the ring, up to 1 MiB of it.
 */
export function createUringFileCalls(ring: Ring, isDirect = true): FileCalls {
  const { addon } = ring;

  function failure(result: number, call: string): Error | undefined {
    return result < 0 ? kernelError(result, call) : undefined;
  }

  const writeByRing = (
    fd: number,
    buffers: readonly Uint8Array[],
    position: number,
    done: (error: unknown, written: number) => void,
  ): boolean =>
    ring.awaits(addon.uringWrite(fd, buffers, position, false), (result) => done(failure(result, 'write'), result));

  const writeSynced: FileCalls['writeSynced'] = (fd, buffers, position, done) => {
    if (!writeByRing(fd, buffers, position, done)) nodeFileCalls.writeSynced(fd, buffers, position, done);
  };

  const writeDirect: FileCalls['writeDirect'] = (fd, buffers, position, done) => {
    // Only memory of the ring is aligned, so there is no other way: with the ring full it has its turn when something has ended.
    ring.inTurn(() => writeByRing(fd, buffers, position, done));
  };

  return {
    durableMostBytes: pieceBytes,
    isDirect,
    read(fd, into, offset, length, position, done) {
      if (length > bulkBytes) {
        nodeFileCalls.read(fd, into, offset, length, position, done);
        return;
      }
      const isTaken = ring.awaits(addon.uringRead(fd, into, offset, length, position), (result) =>
        done(failure(result, 'read'), result),
      );
      if (!isTaken) nodeFileCalls.read(fd, into, offset, length, position, done);
    },
    write(fd, buffers, position, done) {
      if (bytesOf(buffers) > bulkBytes) nodeFileCalls.write(fd, buffers, position, done);
      else writeSynced(fd, buffers, position, done);
    },
    writeSynced,
    writeDirect,
    writeAndSync(fd, buffers, position, done) {
      const isTaken = ring.awaits(addon.uringWrite(fd, buffers, position, true), (result, sync) => {
        if (result < 0) done(kernelError(result, 'write'), 0, 'missing');
        else if (sync === notMade) done(undefined, result, 'missing');
        else done(undefined, result, sync < 0 ? { failed: kernelError(sync, 'fdatasync') } : 'made');
      });
      if (!isTaken) nodeFileCalls.writeAndSync(fd, buffers, position, done);
    },
    writeZeros(fd, position, length, done) {
      const isTaken = ring.awaits(addon.uringZero(fd, position, length), (result) =>
        done(failure(result, 'write'), result),
      );
      if (!isTaken) nodeFileCalls.writeZeros(fd, position, length, done);
    },
    sync(fd, done) {
      const isTaken = ring.awaits(addon.uringSync(fd), (result) => done(failure(result, 'fdatasync')));
      if (!isTaken) nodeFileCalls.sync(fd, done);
    },
    reserve(fd, position, length, done) {
      const isTaken = ring.awaits(addon.uringAllocate(fd, position, length), (result) =>
        done(notSupported.has(result) ? undefined : failure(result, 'fallocate')),
      );
      if (!isTaken) nodeFileCalls.reserve(fd, position, length, done);
    },
    forget(fd, position, length, done) {
      const bytes = Math.min(length, forgetBytesMost);
      const isTaken = ring.awaits(addon.uringForget(fd, position, bytes), () => done());
      if (!isTaken) nodeFileCalls.forget(fd, position, bytes, done);
    },
  };
}
