import type { Disk } from '../host/disk.ts';
import { DiskError } from '../host/disk.ts';

/** Directory of an absolute path. */
export function parentOf(path: string): string {
  const cut = path.lastIndexOf('/');
  return cut <= 0 ? '/' : path.slice(0, cut);
}

/**
 * Puts a file with this content under `path`, whole or not at all, also through a power loss: written as `<path>.tmp`,
 * synced, renamed, the directory synced. On an error the old file stands, or the new one whose name may yet be undone.
 */
export async function replaceFile(disk: Disk, path: string, content: readonly Uint8Array[]): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await disk.open(temporary, { mode: 'create' });
  try {
    let bytes = 0;
    for (const piece of content) bytes += piece.length;
    await file.write(0, content, { durable: false });
    await file.truncate(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, path);
  await disk.syncDirectory(parentOf(path));
}

/**
 * Makes a directory and its missing parents, each name durable before anything is made below it. So is that of the one that is found
 * there: whoever made it may be on its way to sync it, or was killed on it, and then nobody would ever do so.
 */
export async function makeDirectoryDurably(disk: Disk, path: string): Promise<void> {
  const missing: string[] = [];
  let found = path;
  for (; found !== '/' && !(await exists(disk, found)); found = parentOf(found)) missing.push(found);
  if (found !== '/') await syncNameOf(disk, found);
  for (const next of missing.reverse()) {
    await disk.makeDirectory(next);
    await disk.syncDirectory(parentOf(next));
  }
}

/**
 * Where this user may not open the directory above, or its file system is not one that changes, he has made nothing in it. Above the place
 * where a disk is mounted there may be nothing to ask at all.
 */
const nothingToSync: ReadonlySet<string> = new Set(['EACCES', 'EINVAL', 'EROFS', 'ENOENT', 'ENODEV']);

async function syncNameOf(disk: Disk, path: string): Promise<void> {
  try {
    await disk.syncDirectory(parentOf(path));
  } catch (error) {
    if (!(error instanceof DiskError) || !nothingToSync.has(error.code)) throw error;
  }
}

async function exists(disk: Disk, path: string): Promise<boolean> {
  try {
    await disk.stat(path);
    return true;
  } catch (error) {
    if (error instanceof DiskError && error.code === 'ENOENT') return false;
    throw error;
  }
}
