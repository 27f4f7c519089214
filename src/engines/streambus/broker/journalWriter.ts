import type { Host } from '../../../host/host.ts';
import { payloadBytes } from '../../../storage/journal/batch.ts';
import { type Journal, JournalError, type Lsn, type RecordIn } from '../../../storage/journal/index.ts';

/** Bytes of one append at most: what a turn gathered is cut into these. It lies in one segment, so a quarter of one is the bound. */
export function appendBytesOf(segmentBytes: number): number {
  return Math.min(8 * 1024 * 1024, segmentBytes / 4);
}

/** The largest entry that may be proposed: its record has to lie in one segment, beside the segment's own pages. */
export function entryBytesOf(segmentBytes: number): number {
  return segmentBytes / 2;
}

/** Told once what was appended is durable; `first` is the number of its first record (0 for none). */
export type OnDurable = (first: Lsn) => void;

/** Records that become durable together, and who is told. */
interface Waiting {
  readonly records: readonly RecordIn[];
  readonly durable: OnDurable;
}

interface InFlight {
  readonly first: Lsn;
  readonly waiting: Waiting;
}

/**
 * The broker's one hand on its journal: appends in order, tells in order. While the journal has no room, what was given waits here and
 * `isHeld` keeps the turn from giving more. A failed write is the end: `onFatal`.
 */
export class JournalWriter {
  readonly #host: Host;
  readonly #journal: Journal;
  readonly #appendBytes: number;
  readonly #onFatal: (error: unknown) => void;
  readonly #onDurable: () => void;
  /** Given and not yet taken by the journal; bounded because nobody gives while there is any. */
  #held: Waiting[] = [];
  #inFlight: InFlight[] = [];
  #failed = false;
  #idle: (() => void)[] = [];

  /** `onDurable` is called after those whom a write concerned were told: something may be to do now. */
  constructor(
    host: Host,
    journal: Journal,
    appendBytes: number,
    hooks: { onFatal: (error: unknown) => void; onDurable: () => void },
  ) {
    this.#host = host;
    this.#journal = journal;
    this.#appendBytes = appendBytes;
    this.#onFatal = hooks.onFatal;
    this.#onDurable = hooks.onDurable;
    journal.onState((state) => {
      if (state === 'open') this.#retry();
    });
  }

  /** What was given has not been taken yet: give no more. */
  get isHeld(): boolean {
    return this.#held.length > 0;
  }

  get isBroken(): boolean {
    return this.#failed;
  }

  /** Records of one group or of several, whole and in order. */
  append(records: readonly RecordIn[], durable: OnDurable): void {
    if (this.#failed) return;
    this.#held.push({ records, durable });
    if (this.#held.length === 1) this.#retry();
  }

  /** Resolves when everything given is durable. */
  settled(): Promise<void> {
    if (this.#held.length === 0 && this.#inFlight.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #retry(): void {
    while (!this.#failed) {
      const next = this.#held[0];
      if (next === undefined) return;
      if (!this.#submit(next)) return;
      this.#held.shift();
    }
  }

  /** False when the journal does not take it now. */
  #submit(waiting: Waiting): boolean {
    const pieces = cut(waiting.records, this.#appendBytes);
    let first = 0;
    for (const [at, piece] of pieces.entries()) {
      try {
        const ticket = this.#journal.append(piece);
        if (at === 0) first = ticket.first;
        const isLast = at === pieces.length - 1;
        const entry: InFlight = {
          first,
          waiting: isLast ? waiting : { records: piece, durable: () => undefined },
        };
        this.#inFlight.push(entry);
        ticket.durable().then(
          () => this.#durableOrFatal(entry),
          (error: unknown) => this.#rejected(error),
        );
        if (this.#host.telemetry.mutant('ack-before-sync')) entry.waiting.durable(first);
      } catch (error) {
        if (!(error instanceof JournalError)) throw error;
        const isPassing = error.code === 'JournalFull' || error.code === 'JournalReadOnly';
        if (!isPassing) {
          if (this.#host.telemetry.mutant('retry-sync')) waiting.durable(first);
          else this.#fail(error);
          return true;
        }
        // The pieces that were taken are in the log already: appended a second time they say the same.
        return false;
      }
    }
    return true;
  }

  #durableOrFatal(entry: InFlight): void {
    try {
      this.#durable(entry);
    } catch (error) {
      this.#fail(error);
    }
  }

  #durable(entry: InFlight): void {
    const at = this.#inFlight.indexOf(entry);
    if (at < 0 || this.#failed) return;
    this.#inFlight.splice(at, 1);
    if (!this.#host.telemetry.mutant('ack-before-sync')) entry.waiting.durable(entry.first);
    this.#retry();
    this.#onDurable();
    this.#tellIdle();
  }

  #rejected(error: unknown): void {
    if (this.#failed) return;
    if (error instanceof JournalError && error.code === 'JournalReadOnly') {
      // No room: what is under way is given again, in its order, when there is some. Should a part of it be there already, nobody was told
      // of it, and the same records once more say the same.
      this.#held.unshift(...this.#inFlight.splice(0).map(({ waiting }) => waiting));
      return;
    }
    if (this.#host.telemetry.mutant('retry-sync')) {
      for (const { first, waiting } of this.#inFlight.splice(0)) waiting.durable(first);
      return;
    }
    this.#fail(error);
  }

  #fail(error: unknown): void {
    this.#failed = true;
    this.#held = [];
    this.#inFlight = [];
    this.#onFatal(error);
  }

  #tellIdle(): void {
    if (this.#held.length > 0 || this.#inFlight.length > 0) return;
    for (const fn of this.#idle.splice(0)) fn();
  }
}

/** Cuts records into appends that the journal takes. */
function cut(records: readonly RecordIn[], appendBytesMax: number): readonly (readonly RecordIn[])[] {
  const pieces: RecordIn[][] = [];
  let piece: RecordIn[] = [];
  let bytes = 0;
  for (const record of records) {
    const size = payloadBytes(record.payload);
    if (piece.length > 0 && bytes + size > appendBytesMax) {
      pieces.push(piece);
      piece = [];
      bytes = 0;
    }
    piece.push(record);
    bytes += size;
  }
  if (piece.length > 0) pieces.push(piece);
  return pieces;
}
