import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { Command } from 'commander';
import { EngineError, ExitCode } from '../../engines/engine.ts';
import { TYPE_NAMES } from '../../engines/stemedb/content.ts';
import { isRecordType, splitPayload } from '../../engines/stemedb/records.ts';
import type { Host } from '../../host/host.ts';
import { createRealHost } from '../../real/host.ts';
import { segmentIdOf } from '../../storage/journal/format.ts';
import { JournalError } from '../../storage/journal/index.ts';
import {
  dumpJournal,
  type InspectOptions,
  type Listing,
  listJournal,
  type Verification,
  verifyJournal,
} from '../../storage/journal/inspect.ts';
import type { RecordOut } from '../../storage/journal/types.ts';
import { positiveInteger } from '../arguments.ts';
import { UsageError } from '../exit.ts';
import { formatBytes, formatCount, formatTable } from '../format.ts';
import { printSlowly } from '../output.ts';

interface WalFlags {
  readonly witness?: string;
  readonly json?: boolean;
}

interface DumpFlags extends WalFlags {
  readonly from?: number;
  readonly to?: number;
}

/** `hotfire stemedb wal`: looks at a log without opening it. */
export function walCommand(): Command {
  return new Command('wal')
    .summary('look at a log: its segments, its records, whether it is sound')
    .description('Looks at a log. Reads only and takes no lock, so it may be run beside a daemon.')
    .addCommand(lsCommand())
    .addCommand(dumpCommand())
    .addCommand(verifyCommand())
    .addHelpText(
      'after',
      `
Examples:
  $ hotfire stemedb wal ls /var/lib/stemedb/wal
  $ hotfire stemedb wal verify /var/lib/stemedb/wal`,
    );
}

const WITNESS_TEXT = "the witness's ring (default: ../db/witness/stemedb.ring beside DIR, if it is there)";

function lsCommand(): Command {
  return new Command('ls')
    .summary('list the segments')
    .description('Lists the segments of a log with their LSNs, and files that do not belong to it.')
    .argument('<dir>', 'directory of the log (wal.dir)')
    .option('--witness <file>', WITNESS_TEXT)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ hotfire stemedb wal ls /var/lib/stemedb/wal\n  $ hotfire stemedb wal ls /var/lib/stemedb/wal --json',
    )
    .action(async (directory: string, flags: WalFlags) => {
      const listing = await reading(inspected(directory, flags), listJournal);
      process.stdout.write(flags.json ? `${JSON.stringify(listing, null, 2)}\n` : listingText(listing));
      // Only a witness says that a log was ever here.
      if (listing.segments.length === 0) process.exitCode = ExitCode.data;
    });
}

function dumpCommand(): Command {
  return new Command('dump')
    .summary('print the records')
    .description(
      'Prints the intact records of a log in order, one a line. Acknowledged records that are damaged or gone are named on\nstandard error, and the exit code is then 65.',
    )
    .argument('<dir>', 'directory of the log (wal.dir)')
    .option('--from <lsn>', 'first LSN', positiveInteger)
    .option('--to <lsn>', 'last LSN', positiveInteger)
    .option('--witness <file>', WITNESS_TEXT)
    .option('--json', 'print one JSON object a line; what is no record of the store has its payload in base64')
    .addHelpText(
      'after',
      '\nExamples:\n  $ hotfire stemedb wal dump /var/lib/stemedb/wal --from 1000 --to 1010\n  $ hotfire stemedb wal dump /var/lib/stemedb/wal --json | jq .content.subject',
    )
    .action(async (directory: string, flags: DumpFlags) => {
      const range = {
        ...(flags.from === undefined ? {} : { from: flags.from }),
        ...(flags.to === undefined ? {} : { to: flags.to }),
      };
      const { from = 1, to = Number.POSITIVE_INFINITY } = range;
      if (from > to) throw new UsageError(`expected --from at most --to, got ${from} and ${to}`);
      let dumped = 0;
      const found = await reading(inspected(directory, flags), async (host, options) => {
        await dumpJournal(host, { ...options, ...range }, async (records, batch) => {
          dumped += records.length;
          const lines = records.map((record) => (flags.json ? jsonLine(record, batch) : textLine(record)));
          await printSlowly(lines.join(''));
        });
        return verifyJournal(host, options);
      });
      const missing = found.missing.filter((hole) => hole.from <= to && hole.to >= from);
      for (const hole of missing) {
        process.stderr.write(`missing: LSN ${hole.from}..${hole.to}: acknowledged, and damaged or gone\n`);
      }
      if (missing.length > 0) process.exitCode = ExitCode.data;
      else if (dumped === 0) process.stderr.write(`no records there: the log has ${lsnsText(found)}\n`);
    });
}

function verifyCommand(): Command {
  return new Command('verify')
    .summary('check every batch and record')
    .description(
      `Checks every batch and record of a log: clean, a torn tail (never acknowledged, dropped by a start), or corrupt.

A start reads less: of the segments that the index on disk covers only header, length and seal. It refuses a log of which a
segment is missing or cut short; bytes that have turned inside a covered segment it does not see. Those are found here, by a
scrub of the daemon (POST /v1/admin/scrub), and by reads, which answer RECORD_DAMAGED.`,
    )
    .argument('<dir>', 'directory of the log (wal.dir)')
    .option('--witness <file>', WITNESS_TEXT)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Exit code: 0 clean or torn tail, 65 corrupt or of another format, 74 cannot be read.

Examples:
  $ hotfire stemedb wal verify /var/lib/stemedb/wal
  $ hotfire stemedb wal verify /var/lib/stemedb/wal --witness /mnt/other/witness/stemedb.ring --json`,
    )
    .action(async (directory: string, flags: WalFlags) => {
      const options = inspected(directory, flags);
      const found = await reading(options, verifyJournal);
      process.stdout.write(flags.json ? `${JSON.stringify(found, null, 2)}\n` : verificationText(found, options));
      if (found.verdict === 'corrupt') process.exitCode = ExitCode.data;
    });
}

function inspected(directory: string, flags: WalFlags): InspectOptions & { readonly witnessFile: string } {
  const absolute = resolve(directory);
  return {
    directory: absolute,
    coveredTo: 0,
    witnessFile: resolve(flags.witness ?? join(dirname(absolute), 'db/witness/stemedb.ring')),
  };
}

type Inspected = ReturnType<typeof inspected>;

/** Runs one look; a log of another format or version ends with 65, as it would at a start. */
async function reading<T>(options: Inspected, look: (host: Host, options: Inspected) => Promise<T>): Promise<T> {
  const host = createRealHost({ name: hostname() });
  await refuseEmptiness(host, options);
  try {
    return await look(host, options);
  } catch (error) {
    if (!(error instanceof JournalError)) throw error;
    const exitCode = error.code === 'JournalFormat' || error.code === 'WalCorruption' ? ExitCode.data : ExitCode.io;
    throw new EngineError(error.code, exitCode, error.message, { cause: error });
  }
}

/** Nothing is not a sound log. Beside a witness it is a lost one, which the look itself finds out. */
async function refuseEmptiness(host: Host, { directory, witnessFile }: Inspected): Promise<void> {
  if (existsSync(witnessFile)) return;
  const entries = await host.disk.list(directory);
  if (entries.some(({ name }) => segmentIdOf(name) !== undefined)) return;
  const expected = `expected a directory with segment-*.wal files, got one with ${entries.length} other entries`;
  throw new EngineError('NO_JOURNAL', ExitCode.data, `${directory}: ${expected}; give wal.dir of the configuration`);
}

/** `1..4`, or that there are none: the last is then one below the first. */
function lsnsText({
  first,
  last,
}: {
  readonly first?: number | undefined;
  readonly last?: number | undefined;
}): string {
  if (first !== undefined && last !== undefined && last < first) return 'empty';
  return `${first ?? '?'}..${last ?? '?'}`;
}

function listingText(listing: Listing): string {
  const rows = listing.segments.map((s) => [
    s.file,
    s.state,
    lsnsText(s),
    formatCount(s.batches),
    `${formatBytes(s.usedBytes)} of ${formatBytes(s.bytes)}`,
    s.createdWall === undefined ? '' : new Date(s.createdWall).toISOString(),
  ]);
  const { exists, lastLsn, clean } = listing.witness;
  const witness = exists ? `knows LSN ${lastLsn ?? 'none'}${clean ? ', closed cleanly' : ''}` : 'not found';
  return [
    formatTable([['segment', 'state', 'LSNs', 'batches', 'used', 'created'], ...rows], [3]),
    `journal ${listing.journalId ?? 'unknown'}; spare segment: ${listing.spare ? 'ready' : 'none'}; witness: ${witness}`,
    ...listing.strangers.map((name) => `not of this log: ${name}`),
    '',
  ].join('\n');
}

function verificationText(found: Verification, options: { readonly witnessFile: string }): string {
  const lines = [
    `verdict: ${found.verdict}`,
    `${formatCount(found.records)} records, LSN ${found.first}..${found.last}, in ${found.segments} segments (${formatBytes(found.bytes)})`,
    `acknowledged for certain up to LSN ${found.floor}`,
    `witness: ${existsSync(options.witnessFile) ? options.witnessFile : `none at ${options.witnessFile}: what it would prove was not checked`}`,
  ];
  if (found.torn !== undefined) {
    lines.push(
      `torn tail: ${found.torn.segment} at ${found.torn.offset}, ${found.torn.bytes} bytes, never acknowledged`,
    );
  }
  for (const { segment, offset, from, to, proof, why } of found.damage) {
    lines.push(`damage: ${segment} at ${offset}: LSN ${from}..${to} (${why}); acknowledged, as ${proof} proves`);
  }
  for (const segment of found.damagedHeaders) {
    lines.push(
      `remark: ${segment}: one of the two copies of the header is not intact; the other serves, nothing is lost`,
    );
  }
  return `${lines.join('\n')}\n`;
}

interface BatchPlace {
  readonly segment: string;
  readonly offset: number;
}

/** The store's records are shown as what they say, others as bytes. */
function jsonLine(record: RecordOut, batch: BatchPlace): string {
  const { lsn, stream, type, wallMs, payload } = record;
  const place = { lsn, wallMs, stream, type, segment: batch.segment, offset: batch.offset };
  if (!isRecordType(type)) return `${JSON.stringify({ ...place, payload: Buffer.from(payload).toString('base64') })}\n`;
  const { content, signatures } = splitPayload(payload);
  const signed = signatures.length === 0 ? [] : JSON.parse(Buffer.from(signatures).toString('utf8'));
  return `${JSON.stringify({ ...place, content: JSON.parse(Buffer.from(content).toString('utf8')), signatures: signed })}\n`;
}

const TEXT_WIDTH_MAX = 120;

function textLine({ lsn, type, wallMs, payload }: RecordOut): string {
  const kind = isRecordType(type) ? TYPE_NAMES[type] : `type ${type}`;
  const text = isRecordType(type)
    ? Buffer.from(splitPayload(payload).content).toString('utf8')
    : `${payload.length} bytes`;
  const shown = text.length <= TEXT_WIDTH_MAX ? text : `${text.slice(0, TEXT_WIDTH_MAX - 3)}...`;
  return `${lsn}  ${new Date(wallMs).toISOString()}  ${kind}  ${shown}\n`;
}
