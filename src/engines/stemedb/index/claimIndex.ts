import { RecordType } from '../content.ts';
import { type Chunk, Columns, ID_BYTES, offset, Stage } from './columns.ts';
import { DICTIONARY_ENTRIES_MAX, Dictionary } from './dictionary.ts';
import type { RowFields } from './fold.ts';
import { mix, RowTable } from './idTable.ts';

/**
 * The index: a fold of the log. Row = LSN. Rows are added in order, one for each LSN; hash tables and chains are derived
 * from the columns, by the same `#linkRow` whether a row was folded from a record or read from a part.
 */
export class ClaimIndex {
  readonly columns = new Columns();
  /** Subjects and predicates. */
  readonly names = new Dictionary();
  readonly agents = new Dictionary();
  readonly #ids: RowTable;
  readonly #keys: RowTable;
  /** By number of the name: last assertion with this subject. */
  #lastOfSubject = new Uint32Array(1_024);
  /** By number of the agent: last record of its weight. */
  #lastWeight = new Uint32Array(256);
  /** The key that is looked for: one at a time, because looking never waits. */
  #wantedSubject = 0;
  #wantedPredicate = 0;

  constructor() {
    const columns = this.columns;
    this.#ids = new RowTable({ hashOf: (row) => columns.chunk(row).idWords[offset(row) * 8] ?? 0 });
    this.#keys = new RowTable({
      hashOf: (row) =>
        mix(columns.chunk(row).subject[offset(row)] ?? 0, columns.chunk(row).predicate[offset(row)] ?? 0),
    });
  }

  /** Highest row; every LSN up to it has been folded. */
  get rows(): number {
    return this.columns.rows;
  }

  /** Memory of columns, tables and dictionaries, in bytes. */
  get bytes(): number {
    return (
      this.columns.bytes +
      this.#ids.bytes +
      this.#keys.bytes +
      this.names.bytes +
      this.agents.bytes +
      4 * (this.#lastOfSubject.length + this.#lastWeight.length)
    );
  }

  /** Whether a dictionary can hold no more. */
  get dictionariesFull(): boolean {
    return Math.max(this.names.size, this.agents.size) >= DICTIONARY_ENTRIES_MAX;
  }

  /**
   * Folds a record into the next row. References that are not there (their records were lost) become none.
   *
   * @throws RangeError if `row` is not the next one
   */
  add(row: number, fields: RowFields): void {
    this.#expectNext(row);
    const target = fields.target === undefined ? 0 : this.find(fields.target);
    const epoch = fields.epoch === undefined ? 0 : this.find(fields.epoch);
    const depth = fields.type === RecordType.epoch ? this.#depthAfter(target) : fields.millionths;
    const chunk = this.columns.grow(row);
    const at = offset(row);
    parseHex(fields.id, chunk.id, at * ID_BYTES);
    chunk.kind[at] = fields.type;
    chunk.stage[at] = fields.stage;
    chunk.subject[at] = fields.subject === undefined ? 0 : this.names.intern(fields.subject);
    chunk.predicate[at] = fields.predicate === undefined ? 0 : this.names.intern(fields.predicate);
    chunk.agent[at] = fields.agent === undefined ? 0 : this.agents.intern(fields.agent);
    chunk.object[at * 2] = fields.objectLow;
    chunk.object[at * 2 + 1] = fields.objectHigh;
    chunk.timestamp[at] = fields.timestamp;
    chunk.millionths[at] = depth;
    chunk.target[at] = target;
    chunk.epoch[at] = epoch;
    this.#linkRow(chunk, row);
  }

  /** An LSN that holds no record of the store: the row stays empty. */
  addEmpty(row: number): void {
    this.#expectNext(row);
    this.columns.grow(row);
  }

  /** Makes room for rows up to `row`, which are about to come. */
  reserve(row: number): void {
    this.columns.reserve(row);
    this.#ids.reserve(row);
  }

  /** Derives tables and chains for rows of one chunk whose columns are there. Each row once, in order. */
  link(first: number, last: number): void {
    if (offset(first) > offset(last)) throw new RangeError(`rows ${first} to ${last} are not of one chunk`);
    const chunk = this.columns.chunk(first);
    for (let row = first; row <= last; row++) this.#linkRow(chunk, row);
  }

  #linkRow(chunk: Chunk, row: number): void {
    const at = offset(row);
    const kind = chunk.kind[at] ?? 0;
    if (kind === 0) return;
    this.#ids.insert(chunk.idWords[at * 8] ?? 0, row);
    if (kind === RecordType.assertion) {
      const subject = chunk.subject[at] ?? 0;
      const predicate = chunk.predicate[at] ?? 0;
      this.#wantedSubject = subject;
      this.#wantedPredicate = predicate;
      chunk.previousOfKey[at] = this.#keys.replace(mix(subject, predicate), row, this.#hasWantedKey);
      this.#lastOfSubject = fitting(this.#lastOfSubject, subject);
      chunk.previousOfSubject[at] = this.#lastOfSubject[subject] ?? 0;
      this.#lastOfSubject[subject] = row;
    } else if (kind === RecordType.agentWeight) {
      const agent = chunk.agent[at] ?? 0;
      this.#lastWeight = fitting(this.#lastWeight, agent);
      chunk.previousOfKey[at] = this.#lastWeight[agent] ?? 0;
      this.#lastWeight[agent] = row;
    }
    const target = chunk.target[at] ?? 0;
    if (target === 0) return;
    const targetChunk = this.columns.chunk(target);
    const targetAt = offset(target);
    chunk.previousReference[at] = targetChunk.lastReference[targetAt] ?? 0;
    targetChunk.lastReference[targetAt] = row;
    if (
      kind === RecordType.assertion &&
      chunk.stage[at] === Stage.retired &&
      targetChunk.agent[targetAt] === chunk.agent[at]
    ) {
      targetChunk.retired[targetAt] = 1;
    }
  }

  /** Row of an id (64 hexadecimal digits), or 0. */
  find(id: string): number {
    parseHex(id, wanted, 0);
    return this.#ids.find(wantedWords[0] ?? 0, this.#hasWantedId);
  }

  /** The id of a row, 64 hexadecimal digits. */
  idHex(row: number): string {
    const { id } = this.columns.chunk(row);
    const at = offset(row) * ID_BYTES;
    return Buffer.from(id.buffer, id.byteOffset + at, ID_BYTES).toString('hex');
  }

  /** Type of the record in a row; 0 if there is none. */
  kindOf(row: number): number {
    return this.columns.chunk(row).kind[offset(row)] ?? 0;
  }

  /** Last assertion with this subject and predicate (numbers of names), or 0; the others follow by `previousOfKey`. */
  lastOfKey(subject: number, predicate: number): number {
    this.#wantedSubject = subject;
    this.#wantedPredicate = predicate;
    return this.#keys.find(mix(subject, predicate), this.#hasWantedKey);
  }

  /** Last assertion with this subject, or 0; the others follow by `previousOfSubject`. */
  lastOfSubject(subject: number): number {
    return this.#lastOfSubject[subject] ?? 0;
  }

  /** Last record of this agent's weight, or 0; the others follow by `previousOfKey`. */
  lastWeightOf(agent: number): number {
    return this.#lastWeight[agent] ?? 0;
  }

  #expectNext(row: number): void {
    if (row !== this.columns.rows + 1)
      throw new RangeError(`expected row ${this.columns.rows + 1} to be folded next, got ${row}`);
  }

  #depthAfter(epoch: number): number {
    return epoch === 0 ? 0 : (this.columns.chunk(epoch).millionths[offset(epoch)] ?? 0) + 1;
  }

  /** Whether the row has the subject and predicate that are looked for. */
  readonly #hasWantedKey = (row: number): boolean => {
    const chunk = this.columns.chunk(row);
    const at = offset(row);
    return chunk.subject[at] === this.#wantedSubject && chunk.predicate[at] === this.#wantedPredicate;
  };

  /** Whether the row has the id that `find` looks for. */
  readonly #hasWantedId = (row: number): boolean => {
    const words = this.columns.chunk(row).idWords;
    const at = offset(row) * ID_WORDS;
    for (let i = 0; i < ID_WORDS; i++) if (words[at + i] !== wantedWords[i]) return false;
    return true;
  };
}

const ID_WORDS = ID_BYTES / 4;
/** The id that is looked for: one at a time, because looking never waits. */
const wanted = new Uint8Array(ID_BYTES);
const wantedWords = new Uint32Array(wanted.buffer);

/** The characters of an id as bytes: one native call is faster than 64 of charCodeAt. */
const characters = Buffer.alloc(2 * ID_BYTES);
/** By character: what it is worth as a digit. */
const DIGITS = Uint8Array.from({ length: 256 }, (_, code) =>
  Math.max(0, '0123456789abcdef'.indexOf(String.fromCharCode(code))),
);

/** Writes the bytes of 64 hexadecimal digits in lower case. */
function parseHex(hex: string, into: Uint8Array, at: number): void {
  characters.write(hex, 'latin1');
  for (let i = 0; i < ID_BYTES; i++) into[at + i] = (digitAt(2 * i) << 4) | digitAt(2 * i + 1);
}

function digitAt(position: number): number {
  return DIGITS[characters[position] ?? 0] ?? 0;
}

/** The array, or a copy of at least twice the length that has a place `index`. */
function fitting(array: Uint32Array<ArrayBuffer>, index: number): Uint32Array<ArrayBuffer> {
  if (index < array.length) return array;
  const larger = new Uint32Array(Math.max(array.length * 2, index + 1));
  larger.set(array);
  return larger;
}
