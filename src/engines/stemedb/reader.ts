import type { Telemetry } from '../../host/telemetry.ts';
import { type Journal, JournalError, WalCorruption } from '../../storage/journal/index.ts';
import { StemeError } from './errors.ts';
import { type CachedRecord, decodeCached, RecordCache } from './recordCache.ts';

/** Reads of the disk that queries have outstanding at once: the log's writes must not queue behind them. */
const READS_MAX = 8;
/** Reads that wait for their turn: ten queries of the largest page. Beyond it a read is refused with OVERLOADED. */
const WAITING_MAX = 10_000;
const OVERLOADED_RETRY_MS = 1_000;

/** What the reader counts. */
export interface ReaderCounts {
  hit(): void;
  miss(): void;
  damaged(segment: string, lsn: number): void;
}

/** Records by LSN, from the cache or else from the journal, whose every read is checked. */
export class RecordReader {
  readonly #journal: Journal;
  readonly #cache: RecordCache;
  readonly #telemetry: Telemetry;
  readonly #counts: ReaderCounts;
  #reading = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(journal: Journal, cacheBytes: number, telemetry: Telemetry, counts: ReaderCounts) {
    this.#journal = journal;
    this.#cache = new RecordCache(cacheBytes);
    this.#telemetry = telemetry;
    this.#counts = counts;
  }

  get cacheBytes(): number {
    return this.#cache.bytes;
  }

  /** Puts a record in the cache that was just folded: what was written last is read first. */
  remember(lsn: number, type: number, payload: Uint8Array): void {
    this.#cache.put(lsn, type, payload);
  }

  /** The record if it is in the cache. */
  cached(lsn: number): CachedRecord | undefined {
    if (this.#telemetry.buggify('cache-empty')) this.#cache.clear();
    const record = this.#cache.get(lsn);
    if (record !== undefined) this.#counts.hit();
    return record;
  }

  /** @throws StemeError RECORD_DAMAGED when no intact bytes are left, OVERLOADED when too many wait for the disk */
  async read(lsn: number): Promise<CachedRecord> {
    const cached = this.cached(lsn);
    if (cached !== undefined) return cached;
    this.#counts.miss();
    if (this.#reading < READS_MAX) this.#reading++;
    else await this.#turn();
    try {
      return await this.#fetch(lsn);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#reading--;
      else next();
    }
  }

  /** Waits for one of the reads under way to end, and takes its place. */
  #turn(): Promise<void> {
    if (this.#waiting.length >= WAITING_MAX) {
      throw new StemeError('OVERLOADED', `${WAITING_MAX} reads wait for the disk: ask again when it answers`, {
        retryAfterMs: OVERLOADED_RETRY_MS,
      });
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async #fetch(lsn: number): Promise<CachedRecord> {
    try {
      const { type, payload } = await this.#journal.read(lsn);
      const record = decodeCached(type, payload);
      this.#cache.put(lsn, type, payload);
      return record;
    } catch (error) {
      if (!(error instanceof JournalError)) throw error;
      const segment = error instanceof WalCorruption ? error.segment : this.#segmentOf(lsn);
      this.#counts.damaged(segment, lsn);
      const message = `record ${lsn} in ${segment} cannot be read, and there is no other copy: ${error.message}`;
      throw new StemeError('RECORD_DAMAGED', message, { fields: { lsn, segment }, cause: error });
    }
  }

  #segmentOf(lsn: number): string {
    const segment = this.#journal.segments().findLast(({ baseLsn }) => baseLsn <= lsn);
    return segment?.file ?? 'no segment';
  }
}
