import process from 'node:process';
import { getHeapStatistics } from 'node:v8';

const MIB = 2 ** 20;
/** Flags by which whoever starts the process decides about its heap, as V8 takes them: with dashes or underscores. */
const heapFlag = /^--max[-_](old[-_]space[-_]size|heap[-_]size)/;
/** Set in the environment of the process that was started anew, and taken out of it again: it is not started a third time. */
const guard = 'HOTFIRE_HEAP_LIMIT';

/** What a process is, as far as it matters for its heap. */
export interface HeapOwner {
  readonly execArgv: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Limit of the heap as it is. */
  readonly limitBytes: number;
}

/** Whether the heap has this limit, to the mebibyte. */
export function hasHeapLimit(limitBytes: number, wantedBytes: number): boolean {
  return Math.floor(limitBytes / MIB) === Math.floor(wantedBytes / MIB);
}

/**
 * The flags of Node with which the process has to be started for a heap of `wantedBytes`; undefined where it has that limit, where somebody
 * has decided otherwise by a flag, or where it was started anew for just that already.
 */
export function flagsForHeap(
  { execArgv, environment, limitBytes }: HeapOwner,
  wantedBytes: number,
): string[] | undefined {
  if (hasHeapLimit(limitBytes, wantedBytes) || environment[guard] !== undefined) return undefined;
  const given = [...execArgv, ...(environment.NODE_OPTIONS ?? '').split(/\s+/)];
  if (given.some((flag) => heapFlag.test(flag))) return undefined;
  // Not --max-old-space-size: to that V8 adds a young generation of up to 192 MiB.
  return [`--max-heap-size=${Math.floor(wantedBytes / MIB)}`, ...execArgv];
}

/**
 * Sees to it that the heap of this process may grow to `wantedBytes` and not further. The limit of V8 is decided before the first line of
 * a program: the process is replaced by one with the right flag (execve), under the same process id and with the same open files, so that
 * signals and exit code are its own. Does not return then. Where that cannot be done the limit stays as it is.
 */
export function limitHeap(wantedBytes: number): void {
  const { execArgv, env: environment, argv, execPath } = process;
  const limitBytes = getHeapStatistics().heap_size_limit;
  const flags = flagsForHeap({ execArgv, environment, limitBytes }, wantedBytes);
  delete process.env[guard];
  if (flags === undefined || process.execve === undefined) return;
  try {
    process.execve(execPath, [execPath, ...flags, ...argv.slice(1)], {
      ...process.env,
      [guard]: String(Math.floor(wantedBytes / MIB)),
    });
  } catch {
    // On Windows, and where a policy forbids it: what is in force is told when the daemon serves.
  }
}
