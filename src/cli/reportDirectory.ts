import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from './exit.ts';

/**
 * Makes the directory of a report and sees that files can be written into it, before anything is played for it.
 *
 * @param option the option that named it: `--report`
 * @throws UsageError if it cannot be made or written
 */
export function prepareReportDirectory(directory: string, option: string): void {
  const probe = join(directory, `.hotfire-${process.pid}`);
  try {
    mkdirSync(directory, { recursive: true });
    writeFileSync(probe, '');
    rmSync(probe);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(
      `expected a directory that can be made and written, got ${directory} (${why}); give another with ${option}`,
    );
  }
}
