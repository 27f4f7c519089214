import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Command } from 'commander';
import { z } from 'zod';
import type { Disk } from '../../host/disk.ts';
import { createBestDisk } from '../../real/uring/disk.ts';
import { positiveInteger } from '../arguments.ts';
import { UsageError } from '../exit.ts';
import { formatBytes, formatMillis, formatTable, significant } from '../format.ts';
import { type FioResult, runFio } from './fio.ts';
import {
  BenchRefused,
  type FsyncBenchOptions,
  type FsyncResult,
  LIMITS_MS,
  measureFsync,
  measureSequential,
  type SequentialResult,
} from './fsyncBench.ts';

interface BenchFlags {
  readonly dir: string;
  readonly seconds: number;
  readonly sequential?: boolean;
  readonly baseline?: string;
  readonly fio?: boolean;
  readonly json?: boolean;
}

/** A run as `--json` prints it and `--baseline` keeps it. */
const reportSchema = z.object({
  directory: z.string(),
  fsync: z.object({
    writes: z.number(),
    syncsPerSecond: z.number(),
    p50Ms: z.number(),
    p90Ms: z.number(),
    p99Ms: z.number(),
    maxMs: z.number(),
  }),
  sequential: z.object({ bytes: z.number(), bytesPerSecond: z.number() }).optional(),
});

/** Worse than the baseline by this factor is worth an alarm; less is what two runs on one disk differ by. */
const WORSE_FACTOR = 1.5;
/** Rounds of a measurement beside fio, a second each at least. */
const ROUNDS_MAX = 5;
const SEQUENTIAL_BYTES_MAX = 2 ** 30;

/** `hotfire stemedb bench-fsync`. Exit code 1: too slow for a SATA SSD, or worse than the baseline. */
export function benchFsyncCommand(): Command {
  return new Command('bench-fsync')
    .summary('how fast this disk makes a write durable, judged by the limits of the runbook')
    .description(
      'Writes 4 KiB at a time into a preallocated scratch file and makes each write durable, as the WAL does. The file lies in\nDIR, which must not be a WAL directory, never takes the reserve, and is removed afterwards.',
    )
    .requiredOption('--dir <dir>', 'directory on the disk to measure')
    .option('--seconds <n>', 'how long each measurement writes', positiveInteger, 10)
    .option('--sequential', 'also measure large sequential writes')
    .option('--baseline <file>', 'compare with an earlier run in FILE; made from this run if it is missing')
    .option('--fio', 'run fio beside it, if it is installed')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Limits: p99 below ${LIMITS_MS['NVMe SSD']} ms on an NVMe SSD, below ${LIMITS_MS['SATA SSD']} ms on a SATA SSD.
Exit code: 0 good, 1 p99 not below ${LIMITS_MS['SATA SSD']} ms or more than ${WORSE_FACTOR} times worse than the baseline.

Examples:
  $ hotfire stemedb bench-fsync --dir /var/lib/stemedb
  $ hotfire stemedb bench-fsync --dir /var/lib/stemedb --sequential --baseline /var/lib/hotfire-baseline.json
  $ hotfire stemedb bench-fsync --dir /mnt/new-disk --seconds 60 --fio`,
    )
    .action(runBench);
}

async function runBench(flags: BenchFlags): Promise<void> {
  try {
    await measure(flags);
  } catch (error) {
    if (!(error instanceof BenchRefused)) throw error;
    throw new UsageError(error.message);
  }
}

async function measure(flags: BenchFlags): Promise<void> {
  // Before anything is measured: a baseline that cannot be read would lose the measurement.
  const before = flags.baseline === undefined ? undefined : readBaseline(flags.baseline);
  const disk = createBestDisk();
  const directory = resolve(flags.dir);
  const tag = String(process.pid);
  const options = { directory, durationMs: flags.seconds * 1000, now: () => performance.now(), tag };

  const { fsync, fio } = await measureInTurns(disk, options, tag, flags);
  const sequential = flags.sequential
    ? await measureSequential(disk, { ...options, maxBytes: SEQUENTIAL_BYTES_MAX })
    : undefined;
  const report = { directory, fsync, ...(sequential === undefined ? {} : { sequential }) };

  const worse = before === undefined ? [] : compareWithBaseline(before, report);
  if (flags.baseline !== undefined && before === undefined) {
    writeFileSync(flags.baseline, `${JSON.stringify(report, null, 2)}\n`, { flag: 'wx' });
  }
  const verdicts = verdictsOf(fsync);
  if (flags.json) process.stdout.write(`${JSON.stringify({ ...report, fio, verdicts, worse }, null, 2)}\n`);
  else process.stdout.write(reportText(report, fio, verdicts, worse));
  if (fsync.p99Ms >= LIMITS_MS['SATA SSD'] || worse.length > 0) process.exitCode = 1;
}

/**
 * Our own measurement; with `--fio` in turns with fio's, a part of the time each, and of both the round with the median p50:
 * what else the disk is doing changes from one second to the next.
 */
async function measureInTurns(
  disk: Disk,
  options: FsyncBenchOptions,
  tag: string,
  flags: BenchFlags,
): Promise<{ readonly fsync: FsyncResult; readonly fio: FioResult | 'not installed' | undefined }> {
  if (flags.fio !== true) return { fsync: await measureFsync(disk, options), fio: undefined };
  const rounds = Math.min(ROUNDS_MAX, flags.seconds);
  const seconds = Math.floor(flags.seconds / rounds);
  const ours: FsyncResult[] = [];
  const theirs: FioResult[] = [];
  for (let round = 0; round < rounds; round++) {
    ours.push(await measureFsync(disk, { ...options, durationMs: seconds * 1000 }));
    const fio = await runFio(options.directory, tag, seconds);
    if (fio !== undefined) theirs.push(fio);
  }
  return { fsync: medianRound(ours), fio: theirs.length === 0 ? 'not installed' : medianRound(theirs) };
}

function medianRound<Round extends { readonly p50Ms: number }>(rounds: readonly Round[]): Round {
  const sorted = [...rounds].sort((a, b) => a.p50Ms - b.p50Ms);
  const median = sorted[(sorted.length - 1) >> 1];
  if (median === undefined) throw new Error('at least one round is measured');
  return median;
}

function verdictsOf(fsync: FsyncResult): Record<string, 'within' | 'beyond'> {
  return Object.fromEntries(
    Object.entries(LIMITS_MS).map(([kind, limit]) => [kind, fsync.p99Ms < limit ? 'within' : 'beyond']),
  );
}

type Baseline = z.output<typeof reportSchema>;

/** An earlier run; undefined if the file is to be made from this one. */
function readBaseline(file: string): Baseline | undefined {
  if (!existsSync(file)) {
    if (existsSync(dirname(file))) return undefined;
    throw new UsageError(`expected --baseline in a directory that is there, got ${file}; make ${dirname(file)} first`);
  }
  try {
    return reportSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    throw new UsageError(`${file}: expected the JSON of an earlier bench-fsync, got another; give another --baseline`);
  }
}

/** Sentences for what got worse. */
function compareWithBaseline(
  before: Baseline,
  report: { readonly fsync: FsyncResult; readonly sequential?: SequentialResult },
): string[] {
  const worse: string[] = [];
  if (report.fsync.p99Ms > WORSE_FACTOR * before.fsync.p99Ms) {
    worse.push(`p99 is ${formatMillis(report.fsync.p99Ms)}, in the baseline ${formatMillis(before.fsync.p99Ms)}`);
  }
  const [now, then] = [report.sequential?.bytesPerSecond, before.sequential?.bytesPerSecond];
  if (now !== undefined && then !== undefined && now * WORSE_FACTOR < then) {
    worse.push(`sequential writes make ${formatBytes(now)}/s, in the baseline ${formatBytes(then)}/s`);
  }
  return worse;
}

function reportText(
  report: { readonly directory: string; readonly fsync: FsyncResult; readonly sequential?: SequentialResult },
  fio: FioResult | 'not installed' | undefined,
  verdicts: Readonly<Record<string, string>>,
  worse: readonly string[],
): string {
  const { fsync, sequential } = report;
  const rows = [
    ['durable 4 KiB writes', `${significant(fsync.syncsPerSecond)}/s`, `${fsync.writes} in ${report.directory}`],
    ['p50', formatMillis(fsync.p50Ms), ''],
    ['p90', formatMillis(fsync.p90Ms), ''],
    [
      'p99',
      formatMillis(fsync.p99Ms),
      Object.entries(LIMITS_MS)
        .map(([kind, limit]) => `${kind} (< ${limit} ms): ${verdicts[kind]}`)
        .join(', '),
    ],
    ['slowest', formatMillis(fsync.maxMs), ''],
  ];
  if (sequential !== undefined) {
    rows.push([
      'sequential writes',
      `${formatBytes(sequential.bytesPerSecond)}/s`,
      `${formatBytes(sequential.bytes)}, sync included`,
    ]);
  }
  if (fio === 'not installed') rows.push(['fio', 'not installed', 'no second opinion']);
  else if (fio !== undefined) rows.push([fio.version, formatMillis(fio.p50Ms), `p50; p99 ${formatMillis(fio.p99Ms)}`]);
  const alarms = worse.map((sentence) => `worse than the baseline: ${sentence}\n`).join('');
  return `${formatTable(rows, [1])}\n${alarms}`;
}
