import type { Disk } from '../../../host/disk.ts';
import {
  type BatchHeader,
  batchCrc,
  batchHeaderBytes,
  batchOverheadBytes,
  codecOf,
  isControl,
  isTransactional,
  readBatchHeader,
} from '../../../wire/kafka/recordBatch.ts';
import { type KafkaRecord, readMarker, readRecords } from '../../../wire/kafka/records.ts';
import { bytesOf, lastOffsetOf, plausibleHeader } from './batchView.ts';

/** One thing that a segment file holds. */
export type DumpItem =
  | {
      readonly kind: 'batch';
      readonly position: number;
      readonly header: BatchHeader;
      readonly crcHolds: boolean;
      /** Of a control batch. */
      readonly marker: 'commit' | 'abort' | undefined;
      /** Undefined unless asked for, and for compressed batches. */
      readonly records: readonly KafkaRecord[] | undefined;
    }
  /** From here on nothing is a batch, or the file ends inside of one. */
  | { readonly kind: 'broken'; readonly position: number; readonly bytes: number; readonly why: string };

const readBytes = 1024 * 1024;

/**
 * Reads a `.seg` file without the broker that wrote it, batch by batch, and stops where no batch begins. A batch whose CRC is wrong is
 * told and stepped over by its length. Rejects with `DiskError` when the file cannot be read.
 */
export async function* dumpSegment(
  disk: Disk,
  path: string,
  options: { readonly records?: boolean } = {},
): AsyncGenerator<DumpItem> {
  const file = await disk.open(path, { mode: 'read' });
  try {
    const length = await file.size();
    let position = 0;
    let expected: number | undefined;
    while (position < length) {
      const head = new Uint8Array(Math.min(batchHeaderBytes, length - position));
      await file.read(position, head);
      const header = head.length < batchHeaderBytes ? undefined : plausibleHeader(head, 0);
      const why = brokenBecause(header, length - position, expected);
      if (header === undefined || why !== undefined) {
        yield { kind: 'broken', position, bytes: length - position, why: why ?? 'no batch begins here' };
        return;
      }
      const batch = new Uint8Array(bytesOf(header));
      for (let at = 0; at < batch.length; at += readBytes)
        await file.read(position + at, batch.subarray(at, at + readBytes));
      yield describeBatch(batch, position, options.records === true);
      expected = lastOffsetOf(header) + 1;
      position += batch.length;
    }
  } finally {
    await file.close();
  }
}

function brokenBecause(
  header: BatchHeader | undefined,
  left: number,
  expected: number | undefined,
): string | undefined {
  if (left < batchHeaderBytes) return `${left} bytes are left, a batch has ${batchHeaderBytes} at least`;
  if (header === undefined) return 'no batch begins here';
  if (bytesOf(header) > left) return `a batch of ${bytesOf(header)} bytes begins where ${left} are left`;
  if (expected !== undefined && header.baseOffset !== expected) {
    return `expected offset ${expected}, got ${header.baseOffset}`;
  }
  return undefined;
}

function describeBatch(batch: Uint8Array, position: number, withRecords: boolean): DumpItem {
  const header = readBatchHeader(batch);
  const crcHolds = batchCrc(batch) === header.crc;
  const isReadable = crcHolds && codecOf(header) === 'none';
  const marker = isReadable && isControl(header) ? readMarker(batch, header) : undefined;
  return {
    kind: 'batch',
    position,
    header,
    crcHolds,
    marker: marker === undefined ? undefined : marker.commit ? 'commit' : 'abort',
    records: withRecords && isReadable ? readRecords(batch) : undefined,
  };
}

/** The lines that `sb dump-segment` prints of an item: one of the batch, and one a record where they were asked for. */
export function dumpLines(item: DumpItem): string[] {
  if (item.kind === 'broken') {
    return [`position: ${item.position} BROKEN, ${item.bytes} bytes to the end of the file: ${item.why}`];
  }
  const { header } = item;
  const producer =
    header.producerId < 0
      ? ''
      : ` producerId: ${header.producerId} producerEpoch: ${header.producerEpoch} baseSequence: ${header.baseSequence}`;
  const flags = [
    isTransactional(header) ? ' transactional' : '',
    item.marker === undefined ? '' : ` marker: ${item.marker}`,
  ].join('');
  const line =
    `baseOffset: ${header.baseOffset} lastOffset: ${lastOffsetOf(header)} count: ${header.recordCount}` +
    ` position: ${item.position} size: ${header.batchLength + batchOverheadBytes} leaderEpoch: ${header.partitionLeaderEpoch}` +
    ` maxTimestamp: ${header.maxTimestamp} compression: ${codecOf(header) ?? 'unknown'}${producer}${flags}` +
    ` crc: ${header.crc} ${item.crcHolds ? 'ok' : 'WRONG'}`;
  return [line, ...(item.records ?? []).map(recordLine)];
}

function recordLine(record: KafkaRecord): string {
  const headers = record.headers.map((header) => ` ${header.key}=${shown(header.value)}`).join('');
  return `| offset: ${record.offset} timestamp: ${record.timestamp} key: ${shown(record.key)} value: ${shown(record.value)}${headers}`;
}

/** Text where it is text, else hexadecimal; cut at 200 bytes. */
function shown(bytes: Uint8Array | null): string {
  if (bytes === null) return 'null';
  const cut = bytes.subarray(0, 200);
  const text = new TextDecoder().decode(cut);
  const isText = !text.includes('\uFFFD') && !hasControls(text);
  return `${isText ? JSON.stringify(text) : Buffer.from(cut).toString('hex')}${bytes.length > cut.length ? ` … ${bytes.length} bytes` : ''}`;
}

function hasControls(text: string): boolean {
  for (const letter of text) {
    const code = letter.codePointAt(0) ?? 0;
    if (code < 32 && letter !== '\n' && letter !== '\t' && letter !== '\r') return true;
  }
  return false;
}
