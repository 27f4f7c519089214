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

/** Makes a directory and its missing parents, and makes their names durable. */
export async function makeDirectoryDurably(disk: Disk, path: string): Promise<void> {
  const missing: string[] = [];
  for (let at = path; at !== '/' && !(await exists(disk, at)); at = parentOf(at)) missing.push(at);
  if (missing.length === 0) return;
  await disk.makeDirectory(path);
  for (const made of missing) await disk.syncDirectory(parentOf(made));
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
