import fs from 'node:fs';
import process from 'node:process';
import { DiskError } from '../host/disk.ts';
import { type FileLock, formatHolder, parseHolder, takeFileLock } from './diskLock.ts';
import { nodeFileCalls } from './fileCalls.ts';
import { readAll, writeAll } from './fileLoops.ts';

/** A lock file longer than this is somebody's data, not a pid. */
const holderBytes = 16;

/** Takes the lock of an open file for this process and writes who has it into the file. ELOCKED when another one has it. */
export async function acquireFileLock(fd: number, path: string): Promise<FileLock> {
  const information = await new Promise<fs.Stats>((resolve, reject) => {
    fs.fstat(fd, (error, stats) => (error === null ? resolve(stats) : reject(error)));
  });
  const content = await new Promise<Uint8Array>((resolve, reject) => {
    const into = new Uint8Array(Math.min(information.size, holderBytes));
    readAll(nodeFileCalls, fd, 0, into, (count) => resolve(into.subarray(0, count)), reject);
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
    writeAll(nodeFileCalls.write, fd, 0, [line], (error) => {
      if (error !== undefined) reject(error);
      else fs.ftruncate(fd, line.byteLength, (failed) => (failed === null ? resolve() : reject(failed)));
    });
  });
}
