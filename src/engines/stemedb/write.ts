import type { Clock } from '../../host/clock.ts';
import type { Telemetry } from '../../host/telemetry.ts';
import type { Journal, RecordIn, Ticket } from '../../storage/journal/index.ts';
import { type Admission, appendRefusal, writeFailure } from './admission.ts';
import { canonicalSignatures, type Prepared, RecordType, TYPE_NAMES } from './content.ts';
import { StemeError } from './errors.ts';
import type { ClaimIndex } from './index/claimIndex.ts';
import { fieldsOf } from './index/fold.ts';
import type { StemeMetrics } from './metrics.ts';
import type { RecordReader } from './reader.ts';
import { encodePayload } from './records.ts';
import type { SignatureVerifier } from './signatures.ts';

/** How long a fold is put off by the planted bug `ack-before-fold`. */
const LATE_FOLD_MS = 5;

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
  /** Called after each fold with the bytes of its payload. */
  readonly onFold: (bytes: number) => void;
}

/** One append on its way to the disk. */
interface PendingAppend {
  readonly ticket: Ticket;
  readonly records: readonly Prepared[];
  readonly payloads: readonly Uint8Array[];
  readonly folded: Promise<void>;
}

/** A record that is appended and not yet folded. */
interface PendingRecord {
  readonly lsn: number;
  readonly record: Prepared;
  readonly append: () => PendingAppend;
}

/** The place of one record of a call: known before, or in an append of this call or another. */
type Placed =
  | { readonly kind: 'refused'; readonly error: StemeError }
  | { readonly kind: 'known'; readonly lsn: number }
  | { readonly kind: 'pending'; readonly lsn: number; readonly pending: PendingRecord }
  | { readonly kind: 'appended'; readonly lsn: number; readonly pending: PendingRecord };

/** One record's outcome: an acknowledgement, or why there is none. */
export type WriteResult = Ack | StemeError;

/**
 * The write path: known or pending? → append → durable → fold → acknowledge. Between the look at what is known and the
 * append nothing waits, so that no content gets two LSNs.
 */
export class Writer {
  readonly #parts: WriterParts;
  readonly #pendingById = new Map<string, PendingRecord>();
  /** In LSN order. */
  readonly #pendingAppends: PendingAppend[] = [];
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
  async write(records: readonly Prepared[], atomic: boolean): Promise<WriteResult[]> {
    const { admission } = this.#parts;
    const { admitted, refusal } = admission.write(records.length, atomic);
    const entering = admitted === records.length ? records : records.slice(0, admitted);
    const early = await this.#checkAlone(entering);
    const placed = this.#place(entering, early, atomic);
    const results = await this.#settle(entering, placed);
    for (let i = admitted; i < records.length && refusal !== undefined; i++) results.push(refusal);
    return results;
  }

  /** What can be said of each record by itself; signatures are verified here, a few a turn of the event loop. */
  async #checkAlone(records: readonly Prepared[]): Promise<(StemeError | undefined)[]> {
    const { verifier, clock, clockSkewMs } = this.#parts;
    const latest = clock.wall() + clockSkewMs();
    const found: (StemeError | undefined)[] = [];
    for (const record of records) {
      let error = checkTimestamp(record, latest);
      if (error === undefined && verifier.needed(record)) error = await verifier.check(record);
      found.push(error);
    }
    return found;
  }

  /** Decides the place of every record and appends the new ones. Synchronous. */
  #place(records: readonly Prepared[], early: readonly (StemeError | undefined)[], atomic: boolean): Placed[] {
    this.#parts.admission.checkOpen(); // again: checking signatures may have taken a while
    const batch = new BatchBuilder(this.#parts.journal.nextLsn, this.#parts.maxAppendBytes, atomic);
    const placed: Placed[] = [];
    for (const [i, record] of records.entries()) {
      const placement = this.#placeOne(record, early[i], batch);
      if (placement.kind === 'refused' && atomic) throw atomicRefusal(placement.error, i);
      placed.push(placement);
    }
    let refusal: StemeError | undefined;
    for (const group of batch.groups) {
      refusal ??= this.#append(group);
      // What comes later in the call may refer to what was just refused: it goes too.
      if (refusal !== undefined && atomic) throw refusal;
      if (refusal !== undefined) for (const entry of group.entries) entry.refusal = refusal;
    }
    if (refusal === undefined) return placed;
    return placed.map((place) => refusedWithItsAppend(place, batch));
  }

  #placeOne(record: Prepared, early: StemeError | undefined, batch: BatchBuilder): Placed {
    if (early !== undefined) return { kind: 'refused', error: early };
    const known = this.#parts.index.find(record.id);
    if (known !== 0) return { kind: 'known', lsn: known };
    const own = batch.find(record.id);
    if (own !== undefined) return { kind: 'pending', lsn: own.lsn, pending: own };
    const pending = this.#pendingById.get(record.id);
    this.#parts.telemetry.sometimes('duplicate while pending', pending !== undefined);
    if (pending !== undefined && !this.#duplicateWhilePending) return { kind: 'pending', lsn: pending.lsn, pending };
    const dangling = this.#danglingReference(record, batch);
    if (dangling !== undefined) return { kind: 'refused', error: dangling };
    const payload = encodePayload(record);
    const { maxRecordBytes } = this.#parts;
    if (payload.length > maxRecordBytes) {
      const message = `expected a record of at most ${maxRecordBytes} bytes (wal.max_record_bytes), got ${payload.length}`;
      return { kind: 'refused', error: new StemeError('TOO_LARGE', message) };
    }
    const entry = batch.add(record, payload);
    return { kind: 'appended', lsn: entry.lsn, pending: entry };
  }

  #danglingReference(record: Prepared, batch: BatchBuilder): StemeError | undefined {
    for (const { path, id, type } of referencesOf(record)) {
      const row = this.#parts.index.find(id);
      const found =
        row === 0 ? (batch.find(id) ?? this.#pendingById.get(id))?.record.type : this.#parts.index.kindOf(row);
      if (found === type) continue;
      const got = found === undefined ? 'nothing' : `a record of another type (${found})`;
      const message = `${path}: expected the id of a stored ${TYPE_NAMES[type]}, got ${id}, under which there is ${got}`;
      return new StemeError('REFERENCE_NOT_FOUND', message, {
        details: [{ path, expected: `a stored ${TYPE_NAMES[type]}`, got: id }],
      });
    }
    return undefined;
  }

  /** Hands a group to the journal; returns why it would not take it. */
  #append(group: AppendGroup): StemeError | undefined {
    let ticket: Ticket;
    try {
      ticket = this.#parts.journal.append(group.inputs);
    } catch (error) {
      const refusal = appendRefusal(error);
      if (refusal instanceof StemeError) return refusal;
      throw refusal;
    }
    if (ticket.first !== group.first) throw new Error(`append began at LSN ${ticket.first}, expected ${group.first}`);
    const append: PendingAppend = {
      ticket,
      records: group.entries.map(({ record }) => record),
      payloads: group.payloads,
      folded: ticket.durable().catch((error: unknown) => {
        this.#forget(append);
        throw writeFailure(error);
      }),
    };
    // Every caller that waits for it attaches its own handler; without one an error must not count as unhandled.
    append.folded.catch(() => undefined);
    group.submitted = append;
    this.#pendingAppends.push(append);
    for (const entry of group.entries) this.#pendingById.set(entry.record.id, entry);
    return undefined;
  }

  /** Folds what is durable, in LSN order, before anybody is told of it. */
  #foldTo(durable: number): void {
    for (
      let append = this.#pendingAppends[0];
      append !== undefined && append.ticket.last <= durable;
      append = this.#pendingAppends[0]
    ) {
      this.#pendingAppends.shift();
      for (const [i, record] of append.records.entries()) {
        this.#fold(append.ticket.first + i, record, append.payloads[i]?.length ?? 0);
      }
    }
  }

  #fold(lsn: number, record: Prepared, bytes: number): void {
    const { index, reader, metrics, onFold } = this.#parts;
    index.add(lsn, fieldsOf(record));
    if (this.#pendingById.get(record.id)?.lsn === lsn) this.#pendingById.delete(record.id);
    const signatures = record.signatures.length === 0 ? '' : canonicalSignatures(record.signatures);
    reader.remember(lsn, { type: record.type, content: record.canonical, signatures });
    metrics.records.inc({ type: TYPE_NAMES[record.type] });
    onFold(bytes);
  }

  #forget(append: PendingAppend): void {
    const at = this.#pendingAppends.indexOf(append);
    if (at >= 0) this.#pendingAppends.splice(at, 1);
    for (const [i, record] of append.records.entries()) {
      if (this.#pendingById.get(record.id)?.lsn === append.ticket.first + i) this.#pendingById.delete(record.id);
    }
  }

  async #settle(records: readonly Prepared[], placed: readonly Placed[]): Promise<WriteResult[]> {
    const results: WriteResult[] = [];
    for (const [i, place] of placed.entries()) {
      const record = records[i];
      if (record === undefined) throw new Error(`placed ${placed.length} of ${records.length} records`);
      results.push(place.kind === 'refused' ? place.error : await this.#settleOne(record, place));
    }
    return results;
  }

  async #settleOne(record: Prepared, place: Exclude<Placed, { kind: 'refused' }>): Promise<WriteResult> {
    try {
      if (place.kind !== 'known') await place.pending.append().folded;
      if (place.kind === 'appended') return { hash: record.id, lsn: place.lsn, status: 'created' };
      const ignored = record.signatures.length === 0 ? 0 : await this.#ignoredSignatures(record, place);
      const ack: Ack = { hash: record.id, lsn: place.lsn, status: 'exists' };
      return ignored === 0 ? ack : { ...ack, signatures_ignored: ignored };
    } catch (error) {
      if (error instanceof StemeError) return error;
      throw error;
    }
  }

  async #ignoredSignatures(record: Prepared, place: { readonly lsn: number }): Promise<number> {
    const { signatures } = await this.#parts.reader.read(place.lsn);
    return record.signatures.filter(
      ({ key, signature }) => !signatures.includes(`{"key":"${key}","signature":"${signature}"}`),
    ).length;
  }
}

/** A new record of one call. `append` is known once the journal has taken its group. */
interface Entry extends PendingRecord {
  refusal: StemeError | undefined;
}

/** Records that go to the journal in one append. */
interface AppendGroup {
  readonly first: number;
  readonly inputs: RecordIn[];
  readonly payloads: Uint8Array[];
  readonly entries: Entry[];
  bytes: number;
  submitted: PendingAppend | undefined;
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
    const group = this.#groupFor(payload.length);
    const lsn = this.#nextLsn++;
    const append = () => {
      if (group.submitted === undefined) throw new Error(`LSN ${lsn} waits for an append that was never made`);
      return group.submitted;
    };
    const entry: Entry = { lsn, record, append, refusal: undefined };
    group.inputs.push({ type: record.type, payload });
    group.payloads.push(payload);
    group.entries.push(entry);
    group.bytes += payload.length;
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
      inputs: [],
      payloads: [],
      entries: [],
      bytes: 0,
      submitted: undefined,
    };
    this.groups.push(group);
    return group;
  }
}

function refusedWithItsAppend(place: Placed, batch: BatchBuilder): Placed {
  if (place.kind !== 'appended' && place.kind !== 'pending') return place;
  const entry = batch.find(place.pending.record.id);
  return entry?.refusal === undefined || entry.lsn !== place.lsn ? place : { kind: 'refused', error: entry.refusal };
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

/** Ids that a record names, and the type of record that must be under each. */
function referencesOf({ content }: Prepared): { path: string; id: string; type: RecordType }[] {
  const references: { path: string; id: string; type: RecordType }[] = [];
  const add = (path: string, id: string | undefined, type: RecordType) => {
    if (id !== undefined) references.push({ path, id, type });
  };
  if (content.kind === 'assertion') {
    add('parent', content.parent, RecordType.assertion);
    add('epoch', content.epoch, RecordType.epoch);
  } else if (content.kind === 'vote') {
    add('assertion', content.assertion, RecordType.assertion);
  } else if (content.kind === 'epoch') {
    add('supersedes', content.supersedes, RecordType.epoch);
  }
  return references;
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
