import { closeSync, existsSync, mkdirSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { UsageError } from './exit.ts';

/**
 * Sees before long work that a file can be written when it has ended. What stands in the file stays.
 *
 * @param option the option that named it: `--json`
 * @throws UsageError if its directory is missing, if it is a directory itself, or if it cannot be written
 */
export function expectOutputFile(option: string, file: string): void {
  if (!existsSync(dirname(file)))
    throw new UsageError(`expected ${option} in a directory that is there, got ${file}; make ${dirname(file)} first`);
  const isThere = existsSync(file);
  if (isThere && statSync(file).isDirectory())
    throw new UsageError(`expected a file for ${option}, got the directory ${file}; name a file in it`);
  try {
    if (isThere) closeSync(openSync(file, 'a'));
    else tryFileIn(dirname(file));
  } catch (error) {
    throw new UsageError(
      `expected a file that can be written, got ${file} (${messageOf(error)}); give another with ${option}`,
    );
  }
}

/** Writes a file at the end of long work. Returns what went wrong instead of throwing: the outcome of the work goes on. */
export function writeOutputFile(file: string, text: string): string | undefined {
  try {
    writeFileSync(file, text);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Makes a directory with those above it. Not mkdir's `recursive`: in /proc Node's never ends. */
export function makeDirectory(directory: string): void {
  const missing: string[] = [];
  for (let each = resolve(directory); !existsSync(each); each = dirname(each)) missing.unshift(each);
  for (const each of missing) {
    try {
      mkdirSync(each);
    } catch (error) {
      if (!(existsSync(each) && statSync(each).isDirectory())) throw error; // another process may have made it meanwhile
    }
  }
}

/** Throws if no file can be made in the directory. */
export function tryFileIn(directory: string): void {
  const probe = join(directory, `.hotfire-${process.pid}`);
  writeFileSync(probe, '');
  rmSync(probe);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
