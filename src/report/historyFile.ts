import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Operation } from '../checkers/history.ts';
import { historyToNdjson } from '../checkers/recorder.ts';

/** Name of the history in a report's directory: what queries answered repeats itself, so it is kept compressed. */
export const historyFileName = 'history.ndjson.gz';

/** Operations that are made into one text at a time: a string of V8 ends at half a gigabyte. */
const operationsAtOnce = 1_000;
/** Of zlib's 1 to 9: a tenth of the size already, in a fifth of the time of its default. */
const compressionLevel = 2;

/** Writes a whole history, one operation a line, as `hotfire check` reads it. Gives the path. */
export async function writeHistory(operations: readonly Operation[], directory: string): Promise<string> {
  const path = join(directory, historyFileName);
  await pipeline(Readable.from(texts(operations)), createGzip({ level: compressionLevel }), createWriteStream(path));
  return path;
}

function* texts(operations: readonly Operation[]): Generator<string> {
  for (let from = 0; from < operations.length; from += operationsAtOnce) {
    yield historyToNdjson(operations.slice(from, from + operationsAtOnce));
  }
}
