import { DiskError, type DiskFile } from '../../../host/disk.ts';
import { type BatchHeader, batchCrc, batchHeaderBytes } from '../../../wire/kafka/recordBatch.ts';
import { bytesOf, lastOffsetOf, plausibleHeader } from './batchView.ts';
import type { PartitionCore } from './core.ts';
import type { DamagedRange } from './damage.ts';
import type { Epochs } from './epochs.ts';
import { filePath } from './paths.ts';
import { indexIntervalBytes } from './segmentIndex.ts';
import type { Segment } from './segmentList.ts';

/** Bytes of one read while a batch is looked for. */
const searchBytes = 64 * 1024;

/** What a stretch of the log gave. */
export type BatchesRead =
  | { readonly kind: 'batches'; readonly pieces: readonly Uint8Array[]; readonly bytes: number }
  | { readonly kind: 'damaged'; readonly range: DamagedRange };

const nothing: BatchesRead = { kind: 'batches', pieces: [], bytes: 0 };

/** How much a read may give. */
export interface ReadLimits {
  /** Only batches that end below. */
  readonly end: number;
  readonly maxBytes: number;
  readonly minOne: boolean;
}

/**
 * Whole batches from the one that holds `offset` on, from memory or from one segment. A batch that is not what was written is never
 * skipped: the stretch is quarantined and told.
 */
export async function readBatches(core: PartitionCore, offset: number, limits: ReadLimits): Promise<BatchesRead> {
  if (offset >= limits.end) return nothing;
  const known = core.damage.at(offset);
  if (known !== undefined) return { kind: 'damaged', range: known };
  const end = Math.min(limits.end, core.damage.nextFrom(offset));
  const within = { ...limits, end };
  const cachedFrom = core.cache.first;
  const writtenNext = core.writer.writtenNext ?? core.state.next;
  const useCache =
    cachedFrom !== undefined &&
    offset >= cachedFrom &&
    (offset >= writtenNext || !core.host.telemetry.buggify('cache off'));
  if (useCache) {
    const batches = core.cache.read(offset, end, limits.maxBytes, limits.minOne);
    return {
      kind: 'batches',
      pieces: batches.map((batch) => batch.bytes),
      bytes: batches.reduce((sum, batch) => sum + batch.bytes.length, 0),
    };
  }
  const segment = core.state.segments.holding(offset);
  if (segment === undefined) throw new Error(`${core.directory}: no segment holds offset ${offset}`);
  if (core.work.signal.aborted) return nothing;
  return core.work.during(() => readSegment(core, segment, offset, within));
}

async function readSegment(
  core: PartitionCore,
  segment: Segment,
  offset: number,
  limits: ReadLimits,
): Promise<BatchesRead> {
  const written = core.writer.writtenBytes(segment);
  const cursor = core.cursor(offset);
  const start =
    cursor?.base === segment.base
      ? { position: cursor.position, offset }
      : await core.writer.index(segment.base).floorOffset(offset);
  const first = await attempt(core, segment, start, written, offset, limits);
  if (first.kind !== 'broken') return first;
  // The index is derived: what it points at is no proof. The segment's beginning is.
  if (start.position > 0) {
    const again = await attempt(core, segment, { position: 0, offset: segment.base }, written, offset, limits);
    if (again.kind !== 'broken') return again;
    return damaged(core, segment, again.position, again.offset, again.reason);
  }
  return damaged(core, segment, first.position, first.offset, first.reason);
}

async function damaged(
  core: PartitionCore,
  segment: Segment,
  from: number,
  firstOffset: number,
  reason: string,
): Promise<BatchesRead> {
  return { kind: 'damaged', range: await shutOff(core, segment, from, firstOffset, reason) };
}

/** Shuts off everything from a bad batch to the next place that the index knows. */
export async function shutOff(
  core: PartitionCore,
  segment: Segment,
  from: number,
  firstOffset: number,
  reason: string,
): Promise<DamagedRange> {
  const next = await core.writer.index(segment.base).nextAfter(from);
  const endOffset = next?.offset ?? core.state.segments.after(segment)?.base ?? core.state.next;
  const range: DamagedRange = {
    reason: `segment ${segment.base}: ${reason}`,
    base: segment.base,
    from,
    to: next?.position ?? segment.bytes,
    firstOffset,
    lastOffset: endOffset - 1,
  };
  core.quarantine(range);
  return range;
}

type Attempt =
  | { readonly kind: 'batches'; readonly pieces: readonly Uint8Array[]; readonly bytes: number }
  | { readonly kind: 'broken'; readonly position: number; readonly offset: number; readonly reason: string };

/** Reads from a place where a batch should begin. */
async function attempt(
  core: PartitionCore,
  segment: Segment,
  start: { readonly position: number; readonly offset: number },
  written: number,
  offset: number,
  limits: ReadLimits,
): Promise<Attempt> {
  const path = filePath(core.directory, segment.base, 'seg');
  let position = start.position;
  let expected = start.offset;
  // One read when the index is dense: what lies before the batch, and what is wanted.
  let want = Math.max(batchHeaderBytes, expected === offset ? limits.maxBytes : limits.maxBytes + indexIntervalBytes);
  let lease: { readonly file: DiskFile; release(): void } | undefined;
  try {
    lease = await core.hooks.shared.files.acquire(path, 'write');
    for (;;) {
      const length = Math.min(want, written - position);
      if (length < batchHeaderBytes) {
        return length <= 0
          ? { kind: 'batches', pieces: [], bytes: 0 }
          : broken(position, expected, 'the segment ends inside of a header');
      }
      const buffer = Buffer.allocUnsafe(length);
      const read = await lease.file.read(position, buffer);
      if (read < length)
        return broken(position, expected, `${length} bytes were written at ${position}, ${read} are there`);
      const found = pick(core.state.epochs, buffer, expected, written - position, offset, limits);
      if (found.kind === 'broken') return broken(position + found.at, found.expected, found.reason);
      if (found.kind === 'batches') {
        if (found.to > found.from) core.noteCursor(found.next, { base: segment.base, position: position + found.to });
        const piece = buffer.subarray(found.from, found.to);
        return { kind: 'batches', pieces: piece.length === 0 ? [] : [piece], bytes: piece.length };
      }
      position += found.at;
      expected = found.expected;
      want = found.want;
    }
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    return broken(position, expected, error.message);
  } finally {
    lease?.release();
  }
}

function broken(position: number, offset: number, reason: string): Attempt {
  return { kind: 'broken', position, offset, reason };
}

type Picked =
  | { readonly kind: 'batches'; readonly from: number; readonly to: number; readonly next: number }
  | { readonly kind: 'more'; readonly at: number; readonly expected: number; readonly want: number }
  | { readonly kind: 'broken'; readonly at: number; readonly expected: number; readonly reason: string };

/** Finds the wanted batches in bytes that begin with the batch at offset `expected`; `available` bytes follow in the file. */
function pick(
  epochs: Epochs,
  buffer: Uint8Array,
  expectedAt: number,
  available: number,
  offset: number,
  limits: ReadLimits,
): Picked {
  let at = 0;
  let expected = expectedAt;
  let from = -1;
  while (at + batchHeaderBytes <= buffer.length) {
    const header = plausibleHeader(buffer, at);
    const wrong =
      header === undefined
        ? 'no batch begins here'
        : (misplaced(header, expected, available - at) ?? epochs.mismatch(header));
    if (header === undefined || wrong !== undefined) {
      // What was found before it is good.
      if (from >= 0) return { kind: 'batches', from, to: at, next: expected };
      return { kind: 'broken', at, expected, reason: wrong ?? 'unreadable' };
    }
    const bytes = bytesOf(header);
    const next = lastOffsetOf(header) + 1;
    if (next <= offset) {
      at += bytes;
      expected = next;
      continue;
    }
    const first = from < 0;
    const tooMuch = at + bytes - (first ? at : from) > limits.maxBytes && !(first && limits.minOne);
    if (tooMuch || (!first && next > limits.end))
      return { kind: 'batches', from: first ? at : from, to: at, next: expected };
    if (at + bytes > buffer.length) {
      if (!first) return { kind: 'batches', from, to: at, next: expected };
      return { kind: 'more', at, expected, want: Math.max(bytes, limits.maxBytes) };
    }
    if (batchCrc(buffer.subarray(at, at + bytes)) !== header.crc) {
      if (!first) return { kind: 'batches', from, to: at, next: expected };
      return { kind: 'broken', at, expected, reason: `the CRC of the batch at offset ${expected} does not match` };
    }
    // Not before its CRC: a last offset that rotted would say for ever that there is nothing to read yet.
    if (next > limits.end) return { kind: 'batches', from: at, to: at, next: expected };
    if (first) from = at;
    at += bytes;
    expected = next;
  }
  if (from >= 0) return { kind: 'batches', from, to: at, next: expected };
  if (at >= available) return { kind: 'broken', at, expected, reason: `the segment ends before offset ${offset}` };
  return { kind: 'more', at, expected, want: Math.max(searchBytes, limits.maxBytes) };
}

function misplaced(header: BatchHeader, expected: number, available: number): string | undefined {
  if (header.baseOffset !== expected) return `expected offset ${expected}, found ${header.baseOffset}`;
  if (bytesOf(header) > available)
    return `the batch at offset ${expected} has ${bytesOf(header)} bytes, ${available} are there`;
  return undefined;
}
