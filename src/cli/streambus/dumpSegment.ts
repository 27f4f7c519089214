import { Command } from 'commander';
import type { DiskFile } from '../../host/disk.ts';
import { createRealHost } from '../../real/host.ts';
import {
  type BatchHeader,
  batchBytesAt,
  batchDefect,
  batchHeaderBytes,
  codecOf,
  isControl,
  isTransactional,
  readBatchHeader,
} from '../../wire/kafka/recordBatch.ts';
import { readRecords } from '../../wire/kafka/records.ts';
import { printSlowly } from '../output.ts';

/** A length beyond this is none: it would ask for memory without end. */
const batchBytesMax = 256 * 1024 * 1024;
const valueShown = 120;

interface DumpFlags {
  readonly records?: boolean;
}

/** `hotfire streambus dump-segment`: the batches of a segment file. */
export function dumpSegmentCommand(): Command {
  return new Command('dump-segment')
    .summary('print the batches of a segment file, and whether they are sound')
    .description('Prints the batches of a segment file. Reads only, and may be run beside a broker.')
    .argument('<file>', 'data/<topic>/partition-<n>/<base>.seg')
    .option('--records', 'also the records of batches that are not compressed')
    .action(async (path: string, flags: DumpFlags) => {
      const host = createRealHost({ name: 'dump-segment' });
      const file = await host.disk.open(path, { mode: 'read' });
      try {
        process.exitCode = await dump(file, flags.records === true);
      } finally {
        await file.close();
      }
    });
}

/** Prints every batch; 1 when one is not sound, or the file ends within one. */
async function dump(file: DiskFile, withRecords: boolean): Promise<number> {
  const size = await file.size();
  let position = 0;
  let expected: number | undefined;
  let bad = 0;
  while (position < size) {
    const head = new Uint8Array(batchHeaderBytes);
    const read = await file.read(position, head);
    const bytes = read < batchHeaderBytes ? undefined : batchBytesAt(head);
    if (bytes === undefined || bytes < batchHeaderBytes || bytes > batchBytesMax || position + bytes > size) {
      await printSlowly(`${position}: no whole batch in the last ${size - position} bytes\n`);
      return 1;
    }
    const batch = new Uint8Array(bytes);
    await file.read(position, batch);
    const header = readBatchHeader(batch);
    const why = batchDefect(batch)?.why ?? gap(header, expected);
    if (why !== undefined) bad += 1;
    await printSlowly(`${lineOf(position, bytes, header)}${why === undefined ? '' : `  ✗ ${why}`}\n`);
    if (withRecords && why === undefined && codecOf(header) === 'none') await printRecords(batch);
    expected = header.baseOffset + header.lastOffsetDelta + 1;
    position += bytes;
  }
  return bad === 0 ? 0 : 1;
}

function gap(header: BatchHeader, expected: number | undefined): string | undefined {
  if (expected === undefined || header.baseOffset === expected) return undefined;
  return `expected offset ${expected}, got ${header.baseOffset}`;
}

function lineOf(position: number, bytes: number, header: BatchHeader): string {
  const last = header.baseOffset + header.lastOffsetDelta;
  const producer =
    header.producerId < 0 ? '' : `  pid ${header.producerId} epoch ${header.producerEpoch} seq ${header.baseSequence}`;
  const flags = `${isTransactional(header) ? ' txn' : ''}${isControl(header) ? ' control' : ''}`;
  return `${position}: offsets ${header.baseOffset}-${last}  ${bytes} bytes  ${header.recordCount} records  epoch ${header.partitionLeaderEpoch}  ${codecOf(header) ?? 'unknown codec'}  ${new Date(header.maxTimestamp).toISOString()}${producer}${flags}`;
}

async function printRecords(batch: Uint8Array): Promise<void> {
  for (const { offset, timestamp, key, value } of readRecords(batch)) {
    await printSlowly(`    ${offset}  ${new Date(timestamp).toISOString()}  ${shown(key)}  ${shown(value)}\n`);
  }
}

function shown(bytes: Uint8Array | null): string {
  if (bytes === null) return 'null';
  const text = JSON.stringify(Buffer.from(bytes).toString('utf8'));
  return text.length <= valueShown ? text : `${text.slice(0, valueShown)}… (${bytes.length} bytes)`;
}
