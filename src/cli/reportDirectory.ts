import { UsageError } from './exit.ts';
import { makeDirectory, tryFileIn } from './outputFile.ts';

/**
 * Makes the directory of a report and sees that files can be written into it, before anything is played for it.
 *
 * @param option the option that named it: `--report`
 * @throws UsageError if it cannot be made or written
 */
export function prepareReportDirectory(directory: string, option: string): void {
  try {
    makeDirectory(directory);
    tryFileIn(directory);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(
      `expected a directory that can be made and written, got ${directory} (${why}); give another with ${option}`,
    );
  }
}
