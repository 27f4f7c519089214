import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Operation } from '../checkers/history.ts';
import { historyToNdjson } from '../checkers/recorder.ts';

/** Name of the history in a report's directory. */
export const historyFileName = 'history.ndjson';

/** Operations that are made into one text at a time: a string of V8 ends at half a gigabyte. */
const operationsAtOnce = 5_000;

/** Writes a whole history, one operation a line, as `historyFromNdjson` and `hotfire check` read it. Gives the path. */
export async function writeHistory(operations: readonly Operation[], directory: string): Promise<string> {
  const path = join(directory, historyFileName);
  const file = await open(path, 'w');
  try {
    for (let from = 0; from < operations.length; from += operationsAtOnce) {
      await file.writeFile(historyToNdjson(operations.slice(from, from + operationsAtOnce)));
    }
  } finally {
    await file.close();
  }
  return path;
}
