import { Command, InvalidArgumentError } from 'commander';
import { byteCount, positiveNumber } from '../arguments.ts';
import { formatBytes, formatCount, formatDays, formatTable, significant } from '../format.ts';
import { type Sizing, sizeOf } from './sizing.ts';

interface SizeFlags {
  readonly writesPerSec: number;
  readonly bytes: number;
  readonly latencyMs: number;
  readonly walMaxBytes: number;
  readonly indexMaxBytes: number;
  readonly json?: boolean;
}

/** `hotfire stemedb size`. */
export function sizeCommand(): Command {
  return new Command('size')
    .summary('what a load needs: syncs and bytes a second, growth, memory')
    .description(
      'Says what a load needs of the machine. Group commit puts all writes that arrive during one durable write into the next\none, so the disk sees min(writes/s, 1/L) syncs a second, L being the time of one.',
    )
    .requiredOption('--writes-per-sec <n>', 'writes a second at the peak', positiveNumber)
    .option('--bytes <n>', 'bytes of one record (content and signatures), 16 MiB at most', recordByteCount, 256)
    .option('--latency-ms <ms>', 'time of one durable write, as bench-fsync measures it', positiveNumber, 2)
    .option('--wal-max-bytes <n>', 'wal.max_bytes of the configuration', byteCount, 8 * 2 ** 30)
    .option('--index-max-bytes <n>', 'index.max_bytes of the configuration', byteCount, 4 * 2 ** 30)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ hotfire stemedb size --writes-per-sec 1000
  $ hotfire stemedb size --writes-per-sec 20000 --bytes 1K --latency-ms 0.5 --json`,
    )
    .action((flags: SizeFlags) => {
      const sizing = sizeOf({
        writesPerSecond: flags.writesPerSec,
        payloadBytes: flags.bytes,
        latencyMs: flags.latencyMs,
        walMaxBytes: flags.walMaxBytes,
        indexMaxBytes: flags.indexMaxBytes,
      });
      process.stdout.write(flags.json ? `${JSON.stringify(sizing, null, 2)}\n` : sizingText(sizing));
    });
}

/** What `wal.max_record_bytes` can be set to at most. */
const recordBytesMax = 16 * 2 ** 20;

function recordByteCount(text: string): number {
  const bytes = byteCount(text);
  if (bytes <= recordBytesMax) return bytes;
  throw new InvalidArgumentError(
    `expected at most 16MiB, the largest wal.max_record_bytes, got ${JSON.stringify(text)}.`,
  );
}

function sizingText(s: Sizing): string {
  const rows = [
    [
      'syncs a second',
      significant(s.syncsPerSecond),
      `min(${significant(s.writesPerSecond)} writes/s, 1/L = ${significant(1000 / s.latencyMs)})`,
    ],
    ['records a sync', significant(s.recordsPerSync), ''],
    ['to the WAL disk', `${formatBytes(s.logBytesPerSecond)}/s`, 'each batch fills whole pages of 4 KiB'],
    [
      'growth of the log',
      `${formatBytes(s.logBytesPerDay)}/day`,
      `full (wal.max_bytes ${formatBytes(s.walMaxBytes)}) after ${formatDays(s.daysUntilWalFull)}: then read-only`,
    ],
    ['memory, first day', formatBytes(s.memoryBytesFirstDay), 'process, full queue and cache, and the index'],
    [
      'memory, each day more',
      formatBytes(s.memoryBytesPerDay),
      `110 B a record; full (index.max_bytes ${formatBytes(s.indexMaxBytes)}) after ${formatDays(s.daysUntilIndexFull)}: then read-only`,
    ],
    [
      "runbook's IOPS",
      formatCount(s.runbookIops),
      `writes/s × 1.5; with headroom × 2: ${formatCount(s.runbookIopsWithHeadroom)}`,
    ],
  ];
  return `${formatTable(rows, [1])}

The runbook's formula takes one sync for every write. Group commit does not: a slower disk gets larger batches, not more
syncs. Provision for the syncs and bytes above; what more IOPS buy is a smaller L, that is latency, not throughput.
`;
}
