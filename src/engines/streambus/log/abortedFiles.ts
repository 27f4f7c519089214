import { DiskError } from '../../../host/disk.ts';
import type { Host } from '../../../host/host.ts';
import { crc32c } from '../../../wire/crc32c.ts';
import { type BatchHeader, isControl, isTransactional } from '../../../wire/kafka/recordBatch.ts';
import { readMarker } from '../../../wire/kafka/records.ts';
import type { AbortedTransaction } from './aborted.ts';
import { lastOffsetOf } from './batchView.ts';
import type { FilePool } from './filePool.ts';
import type { LogState } from './logState.ts';
import { filePath } from './paths.ts';

/** producer id f64, first offset f64, offset of the marker f64, stable offset f64, CRC-32C of these u32; big-endian. */
const recordBytes = 36;

/**
 * The `.txn` files: aborted transactions beside the segment that holds their marker. Appended to at checkpoints; what they say beyond
 * the checkpoint is dropped when the partition is opened.
 */
export class AbortedFiles {
  readonly #files: FilePool;
  readonly #host: Host;
  readonly #directory: string;
  /** Records in each file. */
  readonly #counts = new Map<number, number>();
  /** Markers below are in files. */
  #next: number;

  constructor(host: Host, files: FilePool, directory: string, next: number, counts: ReadonlyMap<number, number>) {
    this.#host = host;
    this.#files = files;
    this.#directory = directory;
    this.#next = next;
    for (const [base, count] of counts) this.#counts.set(base, count);
  }

  /** What a checkpoint of this moment must store: by segment, in order. */
  plan(state: LogState): AbortedPlan {
    const list = state.aborted.endingIn(this.#next, state.next);
    const bySegment = Map.groupBy(list, (transaction) => state.segments.holding(transaction.lastOffset)?.base ?? 0);
    return { next: state.next, bySegment };
  }

  /** Makes it durable. After a failure the next call stores the same again. */
  async store({ next, bySegment }: AbortedPlan): Promise<void> {
    let named = false;
    for (const [base, transactions] of bySegment) {
      const count = this.#counts.get(base) ?? 0;
      named ||= count === 0;
      await this.#files.use(filePath(this.#directory, base, 'txn'), 'create', async (file) => {
        await file.truncate(count * recordBytes);
        await file.write(count * recordBytes, [encode(transactions)], { durable: false });
        await file.sync();
      });
    }
    if (named) await this.#host.disk.syncDirectory(this.#directory);
    for (const [base, transactions] of bySegment) {
      this.#counts.set(base, (this.#counts.get(base) ?? 0) + transactions.length);
    }
    this.#next = next;
  }
}

/** Aborted transactions that are not in files yet, by the segment of their marker. */
export interface AbortedPlan {
  readonly next: number;
  readonly bySegment: ReadonlyMap<number, readonly AbortedTransaction[]>;
}

/** What the `.txn` files of these segments say of markers below `next`, in order; and how many records each has. */
export async function loadAborted(
  host: Host,
  directory: string,
  bases: readonly number[],
  next: number,
): Promise<{ readonly list: AbortedTransaction[]; readonly counts: Map<number, number> }> {
  const list: AbortedTransaction[] = [];
  const counts = new Map<number, number>();
  for (const base of bases) {
    const bytes = await contentOf(host, filePath(directory, base, 'txn'));
    let count = 0;
    for (let at = 0; at + recordBytes <= bytes.length; at += recordBytes) {
      const transaction = decode(bytes, at);
      if (transaction === undefined || transaction.lastOffset >= next) break;
      list.push(transaction);
      count += 1;
    }
    counts.set(base, count);
  }
  return { list, counts };
}

async function contentOf(host: Host, path: string): Promise<Uint8Array> {
  try {
    const file = await host.disk.open(path, { mode: 'read' });
    try {
      const bytes = new Uint8Array(await file.size());
      return bytes.subarray(0, await file.read(0, bytes));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof DiskError) return new Uint8Array(0);
    throw error;
  }
}

/**
 * Finds aborted transactions by reading batches in order: for files that were lost. Of a transaction that began before the first batch
 * read it finds what is left.
 */
export class AbortedFinder {
  readonly found: AbortedTransaction[] = [];
  readonly #open = new Map<number, number>();

  visit(batch: Uint8Array, header: BatchHeader): void {
    if (!isTransactional(header)) return;
    if (!isControl(header)) {
      if (!this.#open.has(header.producerId)) this.#open.set(header.producerId, header.baseOffset);
      return;
    }
    const marker = readMarker(batch, header);
    const firstOffset = this.#open.get(header.producerId);
    this.#open.delete(header.producerId);
    if (marker === undefined || marker.commit || firstOffset === undefined) return;
    const lastOffset = lastOffsetOf(header);
    const stableOffset = Math.min(lastOffset + 1, ...this.#open.values());
    this.found.push({ producerId: header.producerId, firstOffset, lastOffset, stableOffset });
  }
}

function encode(transactions: readonly AbortedTransaction[]): Uint8Array {
  const bytes = new Uint8Array(transactions.length * recordBytes);
  const view = new DataView(bytes.buffer);
  transactions.forEach((transaction, n) => {
    const at = n * recordBytes;
    view.setFloat64(at, transaction.producerId);
    view.setFloat64(at + 8, transaction.firstOffset);
    view.setFloat64(at + 16, transaction.lastOffset);
    view.setFloat64(at + 24, transaction.stableOffset);
    view.setUint32(at + 32, crc32c(bytes.subarray(at, at + 32)));
  });
  return bytes;
}

function decode(bytes: Uint8Array, at: number): AbortedTransaction | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(at + 32) !== crc32c(bytes.subarray(at, at + 32))) return undefined;
  return {
    producerId: view.getFloat64(at),
    firstOffset: view.getFloat64(at + 8),
    lastOffset: view.getFloat64(at + 16),
    stableOffset: view.getFloat64(at + 24),
  };
}
