import fs from 'node:fs';
import { dirname } from 'node:path';
import {
  type DirectoryEntry,
  type Disk,
  DiskError,
  type DiskFile,
  type DiskOperation,
  type DiskUsage,
  type FileInformation,
  type OpenOptions,
} from '../host/disk.ts';
import { diskError, isInterrupted } from './diskErrors.ts';
import { createRealFile } from './diskFile.ts';
import { type FileCalls, nodeFileCalls } from './fileCalls.ts';

const openFlags: Readonly<Record<OpenOptions['mode'], number>> = {
  read: fs.constants.O_RDONLY,
  write: fs.constants.O_RDWR,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT,
  'create-new': fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL,
};

/** Rights of new files: the owner's group reads. */
const fileMode = 0o640;
const directoryMode = 0o750;

/**
 * The machine's own disk. Paths are absolute. What an open file does goes by `calls` (default node:fs), everything else by node:fs.
 * With node:fs `uncached` is ignored: it can neither open with O_DIRECT (its buffers are not aligned) nor drop cached pages, so
 * a read may come from the page cache.
 */
export function createRealDisk(calls: FileCalls = nodeFileCalls): Disk {
  return {
    open: (path, options) => open(path, options, calls),
    rename,
    remove,
    list,
    stat,
    makeDirectory,
    syncDirectory,
    usage,
  };
}

/** Calls one function of node:fs and gives its error a type. */
function call<T>(
  operation: DiskOperation,
  path: string,
  run: (done: (error: NodeJS.ErrnoException | null | undefined, value: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (!path.startsWith('/')) {
      reject(new DiskError('EINVAL', operation, path, { detail: 'expected an absolute path' }));
      return;
    }
    const attempt = (): void =>
      run((error, value) => {
        if (error == null) resolve(value);
        else if (isInterrupted(error)) attempt();
        else reject(diskError(error, operation, path));
      });
    try {
      attempt();
    } catch (error) {
      reject(diskError(error, operation, path));
    }
  });
}

async function open(path: string, options: OpenOptions, calls: FileCalls): Promise<DiskFile> {
  const fd = await call<number>('open', path, (done) => fs.open(path, openFlags[options.mode], fileMode, done));
  try {
    const information = await call<fs.Stats>('open', path, (done) => fs.fstat(fd, done));
    // The kernel lets a directory be opened for reading and fails the first read instead.
    if (information.isDirectory()) throw new DiskError('EISDIR', 'open', path);
  } catch (error) {
    await closeDescriptor(fd, 'open', path);
    throw error;
  }
  return createRealFile(fd, path, calls, options.uncached === true);
}

function closeDescriptor(fd: number, operation: DiskOperation, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // Never made again, not even after EINTR: Linux has released the descriptor by then.
    fs.close(fd, (error) => (error == null ? resolve() : reject(diskError(error, operation, path))));
  });
}

function rename(from: string, to: string): Promise<void> {
  return call<void>('rename', from, (done) => fs.rename(from, to, (error) => done(error)));
}

async function remove(path: string): Promise<void> {
  const kind = (await call<fs.Stats>('remove', path, (done) => fs.lstat(path, done))).isDirectory();
  await call<void>('remove', path, (done) =>
    kind ? fs.rmdir(path, (error) => done(error)) : fs.unlink(path, (error) => done(error)),
  );
}

async function list(path: string): Promise<DirectoryEntry[]> {
  const entries = await call<fs.Dirent[]>('list', path, (done) => fs.readdir(path, { withFileTypes: true }, done));
  return entries
    .map((entry) => ({ name: entry.name, kind: kindOf(entry) }))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

async function stat(path: string): Promise<FileInformation> {
  const information = await call<fs.Stats>('stat', path, (done) => fs.stat(path, done));
  const kind = kindOf(information);
  return {
    kind,
    bytes: kind === 'directory' ? 0 : information.size,
    device: information.dev,
    modifiedWall: information.mtimeMs,
  };
}

function kindOf(entry: { isFile(): boolean; isDirectory(): boolean }): 'file' | 'directory' | 'other' {
  if (entry.isFile()) return 'file';
  return entry.isDirectory() ? 'directory' : 'other';
}

/** How often `makeDirectory` begins anew when what it has found there is gone a moment later. */
const makeTriesMax = 10;

/**
 * Not mkdir's `recursive`: where the kernel makes nothing in a directory that is there, as in /proc, Node's never ends. That comes to
 * the same here as somebody who removes each directory again at once, and so does a link that leads nowhere: there is a limit.
 */
async function makeDirectory(path: string): Promise<void> {
  for (let tries = 0; tries < makeTriesMax; tries++) {
    if (await makeOne(path)) return;
    const parent = dirname(path);
    // Whoever makes a neighbour at the same time may have made the parent: whether it was there before says nothing.
    if (parent !== path) await makeDirectory(parent);
    if (await makeOne(path)) return;
  }
  throw new DiskError('ENOENT', 'makeDirectory', path);
}

/** Makes a directory, or finds one there; false when its parent is missing, or what stood there has gone meanwhile. */
async function makeOne(path: string): Promise<boolean> {
  try {
    await call<void>('makeDirectory', path, (done) => fs.mkdir(path, directoryMode, (error) => done(error)));
    return true;
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    if (error.code === 'ENOENT') return false;
    if (error.code !== 'EEXIST') throw error;
    const kind = await kindAt(path);
    if (kind !== undefined && kind !== 'directory') throw error;
    return kind !== undefined;
  }
}

/** What stands there; undefined: nothing. */
async function kindAt(path: string): Promise<FileInformation['kind'] | undefined> {
  try {
    return (await stat(path)).kind;
  } catch (error) {
    if (error instanceof DiskError && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const flags = fs.constants.O_RDONLY | fs.constants.O_DIRECTORY;
  const fd = await call<number>('syncDirectory', path, (done) => fs.open(path, flags, done));
  try {
    await call<void>('syncDirectory', path, (done) => fs.fsync(fd, (error) => done(error)));
  } finally {
    await closeDescriptor(fd, 'syncDirectory', path);
  }
}

async function usage(path: string): Promise<DiskUsage> {
  const information = await call<fs.StatsFs>('usage', path, (done) => fs.statfs(path, done));
  return {
    // What an unprivileged process may use: the reserve of root does not count.
    freeBytes: information.bavail * information.bsize,
    totalBytes: information.blocks * information.bsize,
    // A file system that makes inodes as it needs them (btrfs) reports none at all.
    freeInodes: information.files === 0 ? Number.MAX_SAFE_INTEGER : information.ffree,
  };
}
