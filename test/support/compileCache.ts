import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

// Of a short command most is reading TypeScript: the processes that tests start share what Node makes of each file. Node holds what is
// there against the file's text, so nothing in it is ever out of date.

const directory = resolve(import.meta.dirname, '../../node_modules/.cache/hotfire-compiled');
/** What is older goes: much of it is of copies that tests have made, and is never asked for again. */
const keptMs = 24 * 3_600_000;

/** Called by vitest before it starts the processes that run tests. */
export function setup(): void {
  mkdirSync(directory, { recursive: true });
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const path = join(directory, name);
    // Another run may be at it as well.
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isFile() === true && Date.now() - found.mtimeMs > keptMs) rmSync(path, { force: true });
  }
  process.env.NODE_COMPILE_CACHE = directory;
}
