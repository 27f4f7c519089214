import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Runs `body` with a directory of its own in memory, and removes it. */
export async function inMemoryDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join('/dev/shm', 'hotfire-test-'));
  try {
    await body(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
