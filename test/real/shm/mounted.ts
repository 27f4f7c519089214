import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

/** Runs `body` with a file system of this type mounted at a directory that is made for it; false where this user may not mount. */
export async function mounted(type: string, options: string, at: string, body: () => Promise<void>): Promise<boolean> {
  mkdirSync(at);
  if (spawnSync('mount', ['-t', type, '-o', options, 'none', at]).status !== 0) return false;
  try {
    await body();
  } finally {
    spawnSync('umount', ['--lazy', at]);
  }
  return true;
}
