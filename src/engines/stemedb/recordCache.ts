/** A record as the cache has it: the canonical texts, which take a byte a character where they are Latin. */
export interface CachedRecord {
  readonly type: number;
  readonly content: string;
  readonly signatures: string;
}

/** Bytes of an entry beside its texts. */
const ENTRY_BYTES = 160;

/** Records by LSN; the least recently used ones go when their bytes exceed the capacity. */
export class RecordCache {
  readonly #entries = new Map<number, CachedRecord>();
  readonly #capacityBytes: number;
  #bytes = 0;

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes;
  }

  /** Estimate of the memory held; never above the capacity. */
  get bytes(): number {
    return this.#bytes;
  }

  get(lsn: number): CachedRecord | undefined {
    const record = this.#entries.get(lsn);
    if (record === undefined) return undefined;
    // A map iterates in order of insertion: to insert anew makes an entry the youngest.
    this.#entries.delete(lsn);
    this.#entries.set(lsn, record);
    return record;
  }

  put(lsn: number, record: CachedRecord): void {
    const bytes = sizeOf(record);
    if (bytes > this.#capacityBytes) return;
    const present = this.#entries.get(lsn);
    if (present !== undefined) {
      this.#entries.delete(lsn);
      this.#bytes -= sizeOf(present);
    }
    this.#entries.set(lsn, record);
    this.#bytes += bytes;
    for (const [oldest, old] of this.#entries) {
      if (this.#bytes <= this.#capacityBytes) break;
      this.#entries.delete(oldest);
      this.#bytes -= sizeOf(old);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }
}

function sizeOf(record: CachedRecord): number {
  return ENTRY_BYTES + record.content.length + record.signatures.length;
}
