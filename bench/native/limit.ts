/** The C loop beside which the disk adapters are measured: built with `cc` when the benchmark begins. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** How the loop makes a batch durable; `loop.c` says what each does. */
export const ways = ['fdatasync', 'dsync', 'direct', 'uring-linked', 'uring-dsync', 'uring-direct'] as const;
export type Way = (typeof ways)[number];

/** What one run of something saw. Times in microseconds. */
export interface Seen {
  readonly perSecond: number;
  readonly cpu: number;
  readonly p50: number;
  readonly p99: number;
}

/** The loop, ready to run on a file in `directory`; a string says why it cannot be built. */
export function buildLimit(
  directory: string,
  fileBytes: number,
): ((way: Way, bytes: number, ms: number) => Seen) | string {
  const program = join(directory, 'loop');
  const source = join(import.meta.dirname, 'loop.c');
  const compiler = process.env.CC ?? 'cc';
  const built = spawnSync(compiler, ['-O2', '-o', program, source], { encoding: 'utf8' });
  if (built.error !== undefined || built.status !== 0) {
    return `${compiler} does not build it: ${(built.error?.message ?? built.stderr).split('\n')[0]}`;
  }
  return (way, bytes, ms) => {
    const words = [join(directory, 'limit'), fileBytes, bytes, ms, way].map(String);
    const run = spawnSync(program, words, { encoding: 'utf8' });
    if (run.status !== 0) throw new Error(`the C loop ended with ${run.status}: ${run.stderr}`);
    const [writes = Number.NaN, seconds = Number.NaN, cpu = Number.NaN, p50 = Number.NaN, p99 = Number.NaN] = run.stdout
      .trim()
      .split(' ')
      .map(Number);
    return { perSecond: writes / seconds, cpu: cpu / writes, p50, p99 };
  };
}
