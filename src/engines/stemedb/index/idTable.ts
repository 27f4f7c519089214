/**
 * Open-addressed hash tables from something that a row holds to the row: 5 bytes a slot, no keys of their own. A table
 * is 256 parts by the top bits of the hash, each of which grows alone, so that no insertion pays for rehashing all.
 *
 * Beside each row a slot has a tag, eight bits of its hash: a look-up goes to the columns, where every row is another
 * miss of the processor's cache, only for one in 255 of the rows that it is not after.
 */

const PARTS = 256;
const FIRST_SLOTS = 8;
const SLOT_BYTES = 5;
/** A part grows when more than 3 of 4 slots are taken. */
const LOAD_NUMERATOR = 3;
const LOAD_DENOMINATOR = 4;

/** How a table looks at rows. */
export interface RowHash {
  /** 32 bits of the row, evenly spread. */
  hashOf(row: number): number;
}

/** The slots of one part; their number is a power of two. */
interface Part {
  /** 0 where the slot is free. */
  readonly tags: Uint8Array;
  readonly rows: Uint32Array;
}

/** Rows by hash. The caller decides which of the rows with a hash it means. */
export class RowTable {
  readonly #rows: RowHash;
  readonly #parts: Part[] = [];
  readonly #counts = new Uint32Array(PARTS);
  #bytes = 0;

  constructor(rows: RowHash) {
    this.#rows = rows;
    for (let part = 0; part < PARTS; part++) this.#parts.push(makePart(0));
  }

  /** Bytes of the slots. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The first row with this hash for which `equal` holds, or 0. */
  find(hash: number, equal: (row: number) => boolean): number {
    const { tags, rows } = this.#part(hash);
    const slot = slotOf(tags, rows, hash, equal);
    return slot < 0 ? 0 : (rows[slot] ?? 0);
  }

  /** Makes room for `rows` in all, so that no part has to grow on the way there but those that get more than their share. */
  reserve(rows: number): void {
    const share = Math.ceil(rows / PARTS);
    for (let part = 0; part < PARTS; part++) this.#reserve(part, share - (this.#counts[part] ?? 0));
  }

  /** Adds a row that is known to be absent. */
  insert(hash: number, row: number): void {
    const part = hash >>> 24;
    this.#reserve(part, 1);
    place(this.#part(hash), hash, row);
    this.#counts[part] = (this.#counts[part] ?? 0) + 1;
  }

  /** Puts `row` in the place of the row that `equal` finds, and returns that one; adds it and returns 0 if there is none. */
  replace(hash: number, row: number, equal: (row: number) => boolean): number {
    const { tags, rows } = this.#part(hash);
    const slot = slotOf(tags, rows, hash, equal);
    if (slot < 0) {
      this.insert(hash, row);
      return 0;
    }
    const present = rows[slot] ?? 0;
    rows[slot] = row;
    return present;
  }

  #part(hash: number): Part {
    const part = this.#parts[hash >>> 24];
    if (part === undefined) throw new RangeError(`hash ${hash}: expected 32 bits without sign`);
    return part;
  }

  /** Makes room for `more` rows in a part. */
  #reserve(part: number, more: number): void {
    const present = this.#parts[part];
    const count = this.#counts[part] ?? 0;
    if (present === undefined) throw new RangeError(`part ${part} of ${PARTS}`);
    const slots = present.rows.length;
    let needed = Math.max(FIRST_SLOTS, slots);
    while ((count + more) * LOAD_DENOMINATOR > needed * LOAD_NUMERATOR) needed *= 2;
    if (needed === slots) return;
    const larger = makePart(needed);
    for (const row of present.rows) if (row !== 0) place(larger, this.#rows.hashOf(row), row);
    this.#parts[part] = larger;
    this.#bytes += (larger.rows.length - slots) * SLOT_BYTES;
  }
}

function makePart(slots: number): Part {
  return { tags: new Uint8Array(slots), rows: new Uint32Array(slots) };
}

/** Bits that choose neither the part nor, up to 65,536 slots, the slot; never 0. */
function tagOf(hash: number): number {
  return (hash >>> 16) & 255 || 255;
}

/** The slot of the first row with this hash for which `equal` holds, or −1. */
function slotOf(tags: Uint8Array, rows: Uint32Array, hash: number, equal: (row: number) => boolean): number {
  if (tags.length === 0) return -1;
  const mask = tags.length - 1;
  const wanted = tagOf(hash);
  for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
    const tag = tags[slot];
    if (tag === 0) return -1;
    if (tag === wanted && equal(rows[slot] ?? 0)) return slot;
  }
}

function place({ tags, rows }: Part, hash: number, row: number): void {
  const mask = tags.length - 1;
  let slot = hash & mask;
  while (tags[slot] !== 0) slot = (slot + 1) & mask;
  tags[slot] = tagOf(hash);
  rows[slot] = row;
}

/** 32 well-mixed bits of two numbers (the finalizer of MurmurHash3, Austin Appleby, public domain). */
export function mix(a: number, b: number): number {
  let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
