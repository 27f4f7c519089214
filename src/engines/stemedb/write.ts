import type { Span } from '@opentelemetry/api';
import type { Clock } from '../../host/clock.ts';
import type { Telemetry } from '../../host/telemetry.ts';
import type { Context } from '../../host/tracing.ts';
import { type Journal, type RecordIn, recordBytes, type Ticket } from '../../storage/journal/index.ts';
import { type Admission, appendRefusal, writeFailure } from './admission.ts';
import { type Prepared, RecordType, TYPE_NAMES } from './content.ts';
import { StemeError } from './errors.ts';
import type { ClaimIndex } from './index/claimIndex.ts';
import { fieldsOf } from './index/fold.ts';
import type { StemeMetrics } from './metrics.ts';
import type { RecordReader } from './reader.ts';
import { encodePayload } from './records.ts';
import type { SignatureVerifier } from './signatures.ts';

/** How long a fold is put off by the planted bug `ack-before-fold`. */
const LATE_FOLD_MS = 5;

const RECORD_TYPES = Object.values(RecordType);

/** What became of a record that was accepted. */
export interface Ack {
  /** The id: 64 hexadecimal digits. */
  readonly hash: string;
  readonly lsn: number;
  readonly status: 'created' | 'exists';
  /** The content was there with other signatures: so many of those sent are not kept. */
  readonly signatures_ignored?: number;
}

/** What the write path works on. */
export interface WriterParts {
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly journal: Journal;
  readonly index: ClaimIndex;
  readonly reader: RecordReader;
  readonly metrics: StemeMetrics;
  readonly admission: Admission;
  readonly verifier: SignatureVerifier;
  readonly maxRecordBytes: number;
  /** Bytes of one append to the journal; a batch of more is split, an atomic one refused. */
  readonly maxAppendBytes: number;
  /** How far ahead of the wall clock a timestamp may be, in milliseconds. */
  readonly clockSkewMs: () => number;
  /** Called after each append is folded with the bytes of its payloads. */
  readonly onFold: (bytes: number) => void;
}

/** The place of one record of a call: refused, appended by this call, or there before. */
type Placed = StemeError | Entry | Existing;

/** A record whose content was there before: folded, or appended by this call or another and still on its way. */
interface Existing {
  readonly lsn: number;
  readonly pending: Entry | undefined;
}

/** One record's outcome: an acknowledgement, or why there is none. */
export type WriteResult = Ack | StemeError;

/** Records that have their place in the log and are on their way. */
export interface Placing {
  /** Resolves when each is durable and folded, or refused: the results in the order of the records. To be called once. */
  settle(): Promise<WriteResult[]>;
}

/**
 * The write path: known or pending? → append → durable → fold → acknowledge. Between the look at what is known and the
 * append nothing waits, so that no content gets two LSNs.
 */
export class Writer {
  readonly #parts: WriterParts;
  readonly #pendingById = new Map<string, Entry>();
  /** On their way to the disk, in LSN order. */
  readonly #pendingAppends: AppendGroup[] = [];
  readonly #stopFollowing: () => void;
  readonly #ackBeforeFold: boolean;
  readonly #duplicateWhilePending: boolean;

  constructor(parts: WriterParts) {
    this.#parts = parts;
    this.#ackBeforeFold = parts.telemetry.mutant('ack-before-fold');
    this.#duplicateWhilePending = parts.telemetry.mutant('duplicate-while-pending');
    this.#stopFollowing = parts.journal.onDurable((durable) => {
      if (this.#ackBeforeFold) parts.clock.timer(LATE_FOLD_MS, () => this.#foldTo(durable));
      else this.#foldTo(durable);
    });
  }

  /** Records that are appended and not yet acknowledged. */
  get pending(): number {
    return this.#pendingById.size;
  }

  close(): void {
    this.#stopFollowing();
  }

  /**
   * Writes records; resolves when each is durable and folded, or refused. With `atomic` all of them are stored or none.
   *
   * @throws StemeError when none is: for the state of the node, the rate, or with `atomic` the first bad record
   */
  async write(records: readonly Prepared[], atomic: boolean, trace?: Context): Promise<WriteResult[]> {
    const placing = await this.begin(records, atomic, trace);
    return placing.settle();
  }

  /** The first half of `write`: resolves when each record has its place in the log, or is refused. */
  async begin(records: readonly Prepared[], atomic: boolean, trace?: Context): Promise<Placing> {
    const { admission } = this.#parts;
    const { admitted, refusal } = admission.write(records.length, atomic);
    const entering = admitted === records.length ? records : records.slice(0, admitted);
    const early = await this.#checkAlone(entering, trace);
    const placed = this.#place(entering, early, atomic, trace);
    return {
      settle: async () => {
        const results = await this.#settle(entering, placed);
        for (let i = admitted; i < records.length && refusal !== undefined; i++) results.push(refusal);
        return results;
      },
    };
  }

  /** What can be said of each record by itself; signatures are verified here, a few a turn of the event loop. */
  async #checkAlone(records: readonly Prepared[], trace: Context | undefined): Promise<(StemeError | undefined)[]> {
    const { verifier, clock, clockSkewMs, telemetry } = this.#parts;
    const latest = clock.wall() + clockSkewMs();
    const found: (StemeError | undefined)[] = [];
    let span: Span | undefined;
    for (const record of records) {
      let error = checkTimestamp(record, latest);
      if (error === undefined && verifier.needed(record)) {
        if (trace !== undefined) span ??= telemetry.tracer.startSpan('signatures.verify', {}, trace);
        error = await verifier.check(record);
      }
      found.push(error);
    }
    span?.end();
    return found;
  }

  /** Decides the place of every record and appends the new ones. Synchronous. */
  #place(
    records: readonly Prepared[],
    early: readonly (StemeError | undefined)[],
    atomic: boolean,
    trace: Context | undefined,
  ): Placed[] {
    this.#parts.admission.checkOpen(); // again: checking signatures may have taken a while
    const batch = new BatchBuilder(this.#parts.journal.nextLsn, this.#parts.maxAppendBytes, atomic);
    const placed: Placed[] = [];
    for (let i = 0; i < records.length; i++) {
      const record = records[i] as Prepared; // i < length
      const place = early[i] ?? this.#placeOne(record, batch);
      if (place instanceof StemeError && atomic) throw atomicRefusal(place, i);
      placed.push(place);
    }
    let refusal: StemeError | undefined;
    for (const group of batch.groups) {
      refusal ??= this.#append(group, trace);
      // What comes later in the call may refer to what was just refused: it goes too.
      if (refusal !== undefined && atomic) throw refusal;
      group.refusal = refusal;
    }
    return refusal === undefined ? placed : placed.map(refusedWithItsAppend);
  }

  #placeOne(record: Prepared, batch: BatchBuilder): Placed {
    const known = this.#parts.index.find(record.id);
    if (known !== 0) return { lsn: known, pending: undefined };
    const own = batch.find(record.id);
    if (own !== undefined) return { lsn: own.lsn, pending: own };
    const pending = this.#pendingById.get(record.id);
    this.#parts.telemetry.sometimes('duplicate while pending', pending !== undefined);
    if (pending !== undefined && !this.#duplicateWhilePending) return { lsn: pending.lsn, pending };
    const dangling = this.#danglingReference(record, batch);
    if (dangling !== undefined) return dangling;
    const payload = encodePayload(record);
    const { maxRecordBytes } = this.#parts;
    if (payload.length > maxRecordBytes) {
      const message = `expected a record of at most ${maxRecordBytes} bytes (wal.max_record_bytes), got ${payload.length}`;
      return new StemeError('TOO_LARGE', message);
    }
    return batch.add(record, payload);
  }

  /** Why one of the ids that a record names will not do: each must be that of a record of a certain type. */
  #danglingReference({ content }: Prepared, batch: BatchBuilder): StemeError | undefined {
    switch (content.kind) {
      case 'assertion':
        return (
          this.#dangling('parent', content.parent, RecordType.assertion, batch) ??
          this.#dangling('epoch', content.epoch, RecordType.epoch, batch)
        );
      case 'vote':
        return this.#dangling('assertion', content.assertion, RecordType.assertion, batch);
      case 'epoch':
        return this.#dangling('supersedes', content.supersedes, RecordType.epoch, batch);
      case 'agent-weight':
        return undefined;
    }
  }

  #dangling(path: string, id: string | undefined, type: RecordType, batch: BatchBuilder): StemeError | undefined {
    if (id === undefined) return undefined;
    const row = this.#parts.index.find(id);
    const found = row === 0 ? (batch.find(id) ?? this.#pendingById.get(id))?.type : this.#parts.index.kindOf(row);
    if (found === type) return undefined;
    const got = found === undefined ? 'nothing' : `a record of another type (${found})`;
    const message = `${path}: expected the id of a stored ${TYPE_NAMES[type]}, got ${id}, under which there is ${got}`;
    return new StemeError('REFERENCE_NOT_FOUND', message, {
      details: [{ path, expected: `a stored ${TYPE_NAMES[type]}`, got: id }],
    });
  }

  /** Hands a group to the journal; returns why it would not take it. */
  #append(group: AppendGroup, trace: Context | undefined): StemeError | undefined {
    const { entries } = group;
    let ticket: Ticket;
    try {
      ticket = this.#parts.journal.append(entries, trace);
    } catch (error) {
      const refusal = appendRefusal(error);
      if (refusal instanceof StemeError) return refusal;
      throw refusal;
    }
    if (ticket.first !== group.first) throw new Error(`append began at LSN ${ticket.first}, expected ${group.first}`);
    const folded = ticket.durable().catch((error: unknown) => {
      this.#forget(group);
      throw writeFailure(error);
    });
    // Every caller that waits for it attaches its own handler; without one an error must not count as unhandled.
    folded.catch(() => undefined);
    group.folded = folded;
    this.#pendingAppends.push(group);
    for (const entry of entries) this.#pendingById.set(entry.record.id, entry);
    return undefined;
  }

  /** Folds what is durable, in LSN order, before anybody is told of it. */
  #foldTo(durable: number): void {
    let append = this.#pendingAppends[0];
    while (append !== undefined && append.first + append.entries.length - 1 <= durable) {
      this.#pendingAppends.shift();
      this.#fold(append);
      append = this.#pendingAppends[0];
    }
  }

  #fold({ entries, bytes }: AppendGroup): void {
    const { index, reader, metrics, onFold } = this.#parts;
    const counts = [0, 0, 0, 0, 0];
    for (const { lsn, type, record, payload } of entries) {
      index.add(lsn, fieldsOf(record));
      this.#settled(record.id, lsn);
      reader.remember(lsn, type, payload);
      counts[type] = (counts[type] ?? 0) + 1;
    }
    for (const type of RECORD_TYPES) {
      const count = counts[type] ?? 0;
      if (count > 0) metrics.records.inc({ type: TYPE_NAMES[type] }, count);
    }
    onFold(bytes);
  }

  #forget(append: AppendGroup): void {
    const at = this.#pendingAppends.indexOf(append);
    if (at >= 0) this.#pendingAppends.splice(at, 1);
    for (const { lsn, record } of append.entries) this.#settled(record.id, lsn);
  }

  /** A record is no longer pending: folded, or given up. */
  #settled(id: string, lsn: number): void {
    if (this.#pendingById.get(id)?.lsn === lsn) this.#pendingById.delete(id);
  }

  async #settle(records: readonly Prepared[], placed: readonly Placed[]): Promise<WriteResult[]> {
    const results: WriteResult[] = [];
    let awaited: AppendGroup | undefined;
    let failure: StemeError | undefined;
    for (let i = 0; i < placed.length; i++) {
      const place = placed[i] as Placed; // i < length
      if (place instanceof StemeError) {
        results.push(place);
        continue;
      }
      const group = place instanceof Entry ? place.group : place.pending?.group;
      // One wait an append, not one a record: neighbours are mostly in the same.
      if (group !== undefined && group !== awaited) {
        awaited = group;
        failure = await failureOf(group);
      }
      if (group !== undefined && failure !== undefined) results.push(failure);
      else if (place instanceof Entry) results.push({ hash: place.record.id, lsn: place.lsn, status: 'created' });
      else results.push(await this.#existing(records[i] as Prepared, place.lsn)); // placed[i] is the place of records[i]
    }
    return results;
  }

  async #existing(record: Prepared, lsn: number): Promise<WriteResult> {
    const ack: Ack = { hash: record.id, lsn, status: 'exists' };
    if (record.signatures.length === 0) return ack;
    try {
      const ignored = await this.#ignoredSignatures(record, lsn);
      return ignored === 0 ? ack : { ...ack, signatures_ignored: ignored };
    } catch (error) {
      if (error instanceof StemeError) return error;
      throw error;
    }
  }

  async #ignoredSignatures(record: Prepared, lsn: number): Promise<number> {
    const { signatures } = await this.#parts.reader.read(lsn);
    return record.signatures.filter(
      ({ key, signature }) => !signatures.includes(`{"key":"${key}","signature":"${signature}"}`),
    ).length;
  }
}

/** A new record of one call: what the journal takes of it, and where it is. */
class Entry implements RecordIn {
  readonly type: RecordType;
  readonly payload: Uint8Array;
  readonly lsn: number;
  readonly record: Prepared;
  readonly group: AppendGroup;

  constructor(lsn: number, record: Prepared, payload: Uint8Array, group: AppendGroup) {
    this.type = record.type;
    this.payload = payload;
    this.lsn = lsn;
    this.record = record;
    this.group = group;
  }
}

/** Records that go to the journal in one append. */
interface AppendGroup {
  readonly first: number;
  readonly entries: Entry[];
  /** As the journal counts them. */
  bytes: number;
  /** Why the journal did not take it. */
  refusal: StemeError | undefined;
  /** Settles when it is durable and folded, or given up; there once the journal has taken it. */
  folded: Promise<void> | undefined;
}

/** The new records of one call, in groups of at most what one append may hold. */
class BatchBuilder {
  readonly groups: AppendGroup[] = [];
  readonly #byId = new Map<string, Entry>();
  readonly #maxAppendBytes: number;
  readonly #atomic: boolean;
  #nextLsn: number;

  constructor(nextLsn: number, maxAppendBytes: number, atomic: boolean) {
    this.#nextLsn = nextLsn;
    this.#maxAppendBytes = maxAppendBytes;
    this.#atomic = atomic;
  }

  find(id: string): Entry | undefined {
    return this.#byId.get(id);
  }

  add(record: Prepared, payload: Uint8Array): Entry {
    // What the journal counts: headers and padding too.
    const bytes = recordBytes(payload.length);
    const group = this.#groupFor(bytes);
    const entry = new Entry(this.#nextLsn++, record, payload, group);
    group.entries.push(entry);
    group.bytes += bytes;
    this.#byId.set(record.id, entry);
    return entry;
  }

  #groupFor(bytes: number): AppendGroup {
    const last = this.groups.at(-1);
    if (last !== undefined && last.bytes + bytes <= this.#maxAppendBytes) return last;
    if (last !== undefined && this.#atomic) {
      throw new StemeError(
        'TOO_LARGE',
        `expected an atomic batch of at most ${this.#maxAppendBytes} bytes, got more: split it`,
      );
    }
    const group: AppendGroup = {
      first: this.#nextLsn,
      entries: [],
      bytes: 0,
      refusal: undefined,
      folded: undefined,
    };
    this.groups.push(group);
    return group;
  }
}

function refusedWithItsAppend(place: Placed): Placed {
  if (place instanceof StemeError) return place;
  const group = place instanceof Entry ? place.group : place.pending?.group;
  return group?.refusal ?? place;
}

/** Waits for an append; resolves to what the client is told if it failed. */
async function failureOf(group: AppendGroup): Promise<StemeError | undefined> {
  if (group.folded === undefined) throw new Error(`LSN ${group.first} waits for an append that was never made`);
  try {
    await group.folded;
    return undefined;
  } catch (error) {
    if (error instanceof StemeError) return error;
    throw error;
  }
}

function checkTimestamp(record: Prepared, latest: number): StemeError | undefined {
  const { timestamp } = record.content;
  if (timestamp <= latest) return undefined;
  return new StemeError(
    'TIMESTAMP_AHEAD',
    `timestamp: expected at most ${latest}, this node's clock and assert.clock_skew_ms, got ${timestamp}`,
    {
      details: [{ path: 'timestamp', expected: `at most ${latest}`, got: String(timestamp) }],
    },
  );
}

/** The error of one item, as the error of a whole that is stored together or not at all. */
export function atomicRefusal(error: StemeError, index: number): StemeError {
  return new StemeError(
    'VALIDATION_FAILED',
    `assertions.${index}: ${error.message}; nothing of the atomic batch was stored`,
    {
      details:
        error.details.length === 0
          ? [{ path: `assertions.${index}`, expected: 'an assertion that can be stored', got: error.code }]
          : error.details.map((detail) => ({
              ...detail,
              path: `assertions.${index}${detail.path === '' ? '' : `.${detail.path}`}`,
            })),
      fields: { index, item_code: error.code },
      cause: error,
    },
  );
}
