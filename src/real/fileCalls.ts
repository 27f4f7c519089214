import fs from 'node:fs';

/** What a sync that follows a write came to; `missing`: it was not made. */
export type SyncOutcome = 'made' | 'missing' | { readonly failed: unknown };

export type Settle = (error?: unknown) => void;

/**
 * The calls on an open descriptor by which the adapters differ. Each is made once: short results, EINTR and EAGAIN are the
 * caller's to go on from. Errors have the kernel's name in `code`. No call throws but on arguments that no kernel takes.
 */
export interface FileCalls {
  /** Most bytes that one durable write takes in one piece; a longer one is written first and synced then. */
  readonly durableMostBytes: number;
  /** Whether aligned durable writes over what a file has already may go past the page cache (O_DIRECT). */
  readonly isDirect: boolean;
  read(
    fd: number,
    into: Uint8Array,
    offset: number,
    length: number,
    position: number,
    done: (error: unknown, count: number) => void,
  ): void;
  /** Writes the buffers one after the other, or the first of their bytes. */
  write(
    fd: number,
    buffers: readonly Uint8Array[],
    position: number,
    done: (error: unknown, written: number) => void,
  ): void;
  /** As `write`, on a descriptor with O_DSYNC: when it is done, what was written is durable. */
  writeSynced(
    fd: number,
    buffers: readonly Uint8Array[],
    position: number,
    done: (error: unknown, written: number) => void,
  ): void;
  /** As `writeSynced`, on a descriptor with O_DIRECT besides. Called only where `isDirect`. */
  writeDirect(
    fd: number,
    buffers: readonly Uint8Array[],
    position: number,
    done: (error: unknown, written: number) => void,
  ): void;
  /** As `write`, and makes everything of the file durable if all was written. */
  writeAndSync(
    fd: number,
    buffers: readonly Uint8Array[],
    position: number,
    done: (error: unknown, written: number, sync: SyncOutcome) => void,
  ): void;
  /** Writes zeros, or the first of them. */
  writeZeros(fd: number, position: number, length: number, done: (error: unknown, written: number) => void): void;
  sync(fd: number, done: Settle): void;
  /** Reserves the space of a range and makes the file as long; ENOSPC is told here. A file system that cannot do it: no error. */
  reserve(fd: number, position: number, length: number, done: Settle): void;
  /** Drops a range from the page cache, as far as it is clean: what is read next comes from the device. A hint: never fails. */
  forget(fd: number, position: number, length: number, done: () => void): void;
}

/** Most buffers that one writev takes (IOV_MAX of Linux). */
const buffersPerWrite = 1024;
/** Most bytes asked of one read: the kernel stops at 2 GiB anyway. */
const bytesPerRead = 1 << 30;
const zeroBytes = 1 << 20;

let zeros: Uint8Array | undefined;

function write(
  fd: number,
  buffers: readonly Uint8Array[],
  position: number,
  done: (error: unknown, written: number) => void,
): void {
  const batch = buffers.length <= buffersPerWrite ? buffers : buffers.slice(0, buffersPerWrite);
  fs.writev(fd, batch, position, (error, written) => done(error ?? undefined, written));
}

/** The calls of node:fs, in libuv's thread pool. */
export const nodeFileCalls: FileCalls = {
  durableMostBytes: Number.POSITIVE_INFINITY,
  isDirect: false,
  read(fd, into, offset, length, position, done) {
    fs.read(fd, into, offset, Math.min(length, bytesPerRead), position, (error, count) =>
      done(error ?? undefined, count),
    );
  },
  write,
  writeSynced: write,
  writeDirect: write,
  writeAndSync(fd, buffers, position, done) {
    write(fd, buffers, position, (error, written) => {
      if (error !== undefined) {
        done(error, 0, 'missing');
        return;
      }
      let total = 0;
      for (const buffer of buffers) total += buffer.byteLength;
      if (written < total) done(undefined, written, 'missing');
      else fs.fdatasync(fd, (failed) => done(undefined, written, failed == null ? 'made' : { failed }));
    });
  },
  writeZeros(fd, position, length, done) {
    zeros ??= new Uint8Array(zeroBytes);
    write(fd, [zeros.subarray(0, Math.min(zeroBytes, length))], position, done);
  },
  sync: (fd, done) => fs.fdatasync(fd, (error) => done(error ?? undefined)),
  // node:fs has neither fallocate nor posix_fadvise: zeros reserve their space as they are written.
  reserve: (_fd, _position, _length, done) => done(),
  forget: (_fd, _position, _length, done) => done(),
};
