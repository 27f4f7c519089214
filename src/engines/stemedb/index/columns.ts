/**
 * Typed columns by row, append-only, in chunks of 2^20 rows. The row is the record's LSN; row 0 is never used and means
 * "none" wherever a column names a row. A chunk begins small and doubles up to its full size, so that a small store
 * costs little and a large one never copies more than one chunk.
 */

/** Rows of a full chunk. */
export const CHUNK_ROWS = 1 << 20;
const CHUNK_SHIFT = 20;
const CHUNK_MASK = CHUNK_ROWS - 1;
const FIRST_CAPACITY = 1_024;

/** Bytes of one id. */
export const ID_BYTES = 32;

/** Column `stage` of an assertion, and the value of a vote. */
export const Stage = { proposed: 1, approved: 2, retired: 3 } as const;
export const VoteValue = { support: 1, dispute: 2 } as const;

/** The columns of one chunk. All have the same capacity in rows. */
export interface Chunk {
  readonly capacity: number;
  /** 32 bytes a row. */
  readonly id: Uint8Array;
  /** The same memory, 8 words a row. */
  readonly idWords: Uint32Array;
  /** Record type; 0: the row holds no record of the store. */
  readonly kind: Uint8Array;
  /** `Stage` of an assertion, `VoteValue` of a vote. */
  readonly stage: Uint8Array;
  /** Dictionary numbers; 0 is none. */
  readonly subject: Uint32Array;
  readonly predicate: Uint32Array;
  readonly agent: Uint32Array;
  /** Hash of the object, 2 words a row. */
  readonly object: Uint32Array;
  /** Milliseconds since 1970. */
  readonly timestamp: Float64Array;
  /** Confidence, or an agent's weight, in millionths; of an epoch the number of epochs that it supersedes in a row. */
  readonly millionths: Uint32Array;
  /** Row of the parent, of the voted assertion, of the superseded epoch. */
  readonly target: Uint32Array;
  /** Row of an assertion's epoch. */
  readonly epoch: Uint32Array;
  /** Derived: the row before with the same subject and predicate; of a weight, the one before of the agent. */
  readonly previousOfKey: Uint32Array;
  /** Derived: the assertion before with the same subject. */
  readonly previousOfSubject: Uint32Array;
  /** Derived: last row whose target this row is, and the row before with the same target. */
  readonly lastReference: Uint32Array;
  readonly previousReference: Uint32Array;
  /** Derived: 1 when an assertion of the same agent retires this one, at whatever time. */
  readonly retired: Uint8Array;
}

/** Bytes of one row over all columns. */
export const ROW_BYTES = ID_BYTES + 3 * 1 + 3 * 4 + 8 + 8 + 3 * 4 + 4 * 4;

function makeChunk(capacity: number): Chunk {
  const id = new Uint8Array(capacity * ID_BYTES);
  return {
    capacity,
    id,
    idWords: new Uint32Array(id.buffer),
    kind: new Uint8Array(capacity),
    stage: new Uint8Array(capacity),
    subject: new Uint32Array(capacity),
    predicate: new Uint32Array(capacity),
    agent: new Uint32Array(capacity),
    object: new Uint32Array(capacity * 2),
    timestamp: new Float64Array(capacity),
    millionths: new Uint32Array(capacity),
    target: new Uint32Array(capacity),
    epoch: new Uint32Array(capacity),
    previousOfKey: new Uint32Array(capacity),
    previousOfSubject: new Uint32Array(capacity),
    lastReference: new Uint32Array(capacity),
    previousReference: new Uint32Array(capacity),
    retired: new Uint8Array(capacity),
  };
}

function copyChunk(from: Chunk, into: Chunk): void {
  into.id.set(from.id);
  into.kind.set(from.kind);
  into.stage.set(from.stage);
  into.subject.set(from.subject);
  into.predicate.set(from.predicate);
  into.agent.set(from.agent);
  into.object.set(from.object);
  into.timestamp.set(from.timestamp);
  into.millionths.set(from.millionths);
  into.target.set(from.target);
  into.epoch.set(from.epoch);
  into.previousOfKey.set(from.previousOfKey);
  into.previousOfSubject.set(from.previousOfSubject);
  into.lastReference.set(from.lastReference);
  into.previousReference.set(from.previousReference);
  into.retired.set(from.retired);
}

/** All chunks. `rows` is the highest row that was made. */
export class Columns {
  #chunks: Chunk[] = [];
  #rows = 0;
  #bytes = 0;

  get rows(): number {
    return this.#rows;
  }

  /** Bytes that the columns hold, unused capacity included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The chunk of a row; the row's place in it is `offset(row)`. The chunk is replaced when it grows: do not keep it. */
  chunk(row: number): Chunk {
    const chunk = this.#chunks[row >>> CHUNK_SHIFT];
    if (chunk === undefined || row > this.#rows) throw new RangeError(`row ${row} of ${this.#rows}`);
    return chunk;
  }

  /** Makes room for rows up to `row`, so that making them copies nothing. */
  reserve(row: number): void {
    const last = row >>> CHUNK_SHIFT;
    for (let i = this.#rows >>> CHUNK_SHIFT; i < last; i++) this.#resize(i, CHUNK_ROWS);
    this.#resize(last, (row & CHUNK_MASK) + 1);
  }

  /** Makes rows up to `row`, all columns zero, and returns the chunk of `row`. */
  grow(row: number): Chunk {
    this.reserve(row);
    this.#rows = Math.max(this.#rows, row);
    return this.chunk(row);
  }

  #resize(index: number, atLeast: number): void {
    const present = this.#chunks[index];
    if (present !== undefined && present.capacity >= atLeast) return;
    let capacity = present?.capacity ?? FIRST_CAPACITY;
    while (capacity < atLeast) capacity *= 2;
    const chunk = makeChunk(capacity);
    if (present !== undefined) copyChunk(present, chunk);
    this.#chunks[index] = chunk;
    this.#bytes += (capacity - (present?.capacity ?? 0)) * ROW_BYTES;
  }
}

/** Place of a row in its chunk. */
export function offset(row: number): number {
  return row & CHUNK_MASK;
}
