import type { Disk, DiskFile } from '../../host/disk.ts';
import { DiskError } from '../../host/disk.ts';
import { closeQuietly } from './context.ts';
import { JournalError } from './errors.ts';

/**
 * Takes a directory for this process, by a lock on the file `LOCK` in it, until the file is closed or the process ends.
 * With mode `write` the file has to be there.
 *
 * Throws JournalLocked, with the holder's process id where it is known, and the disk's error.
 */
export async function lockDirectory(disk: Disk, directory: string, mode: 'create' | 'write'): Promise<DiskFile> {
  const file = await disk.open(`${directory}/LOCK`, { mode });
  try {
    await file.lock();
    return file;
  } catch (error) {
    await closeQuietly(file);
    if (!(error instanceof DiskError) || error.code !== 'ELOCKED') throw error;
    const holder = error.holderPid === undefined ? 'another process' : `process ${error.holderPid}`;
    throw new JournalError('JournalLocked', `${directory} is in use by ${holder}; stop it first`, {
      cause: error,
      ...(error.holderPid !== undefined && { holderPid: error.holderPid }),
    });
  }
}
