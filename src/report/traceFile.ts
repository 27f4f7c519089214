import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { TraceEntry, TraceKind } from '../sim/trace.ts';

/** Name of the trace in a report's directory. */
export const traceFileName = 'trace.ndjson.gz';

/** Lines that are made into one text at a time: a string of V8 ends at half a gigabyte. */
const linesAtOnce = 100_000;

/** Writes a recorded trace, one entry a line: `[virtual ms, kind, process, label, detail]`. Gives the path. */
export async function writeTrace(entries: readonly TraceEntry[], directory: string): Promise<string> {
  const parts: Buffer[] = [];
  for (let from = 0; from < entries.length; from += linesAtOnce) {
    const lines = entries
      .slice(from, from + linesAtOnce)
      .map(({ atMs, kind, process, label, detail }) => `${JSON.stringify([atMs, kind, process, label, detail])}\n`);
    parts.push(Buffer.from(lines.join('')));
  }
  const path = join(directory, traceFileName);
  await writeFile(path, await promisify(gzip)(Buffer.concat(parts)));
  return path;
}

/**
 * Reads what `writeTrace` wrote.
 *
 * @throws Error with the number of a line that is no entry; what the file system and zlib throw
 */
export async function readTrace(path: string): Promise<TraceEntry[]> {
  const bytes: Buffer = await promisify(gunzip)(await readFile(path));
  const entries: TraceEntry[] = [];
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(0x0a, from);
    const to = end === -1 ? bytes.length : end;
    entries.push(entryOf(bytes.toString('utf8', from, to), entries.length + 1, path));
    from = to + 1;
  }
  return entries;
}

function entryOf(line: string, number: number, path: string): TraceEntry {
  const fields: unknown = JSON.parse(line);
  if (!Array.isArray(fields) || fields.length !== 5 || typeof fields[0] !== 'number') {
    throw new Error(`${path}, line ${number}: expected [ms, kind, process, label, detail], got ${line.slice(0, 120)}`);
  }
  const [atMs, kind, process, label, detail] = fields as [number, TraceKind, string, string, number | string]; // as written
  return { atMs, kind, process, label, detail };
}
