/**
 * Open-addressed hash tables from something that a row holds to the row: 4 bytes a slot, no keys of their own. A table
 * is 256 parts by the top bits of the hash, each of which grows alone, so that no insertion pays for rehashing all.
 */

const PARTS = 256;
const FIRST_SLOTS = 8;
/** A part grows when more than 3 of 4 slots are taken. */
const LOAD_NUMERATOR = 3;
const LOAD_DENOMINATOR = 4;

/** How a table looks at rows. */
export interface RowHash {
  /** 32 bits of the row, evenly spread. */
  hashOf(row: number): number;
}

/** Rows by hash. The caller decides which of the rows with a hash it means. */
export class RowTable {
  readonly #rows: RowHash;
  readonly #slots: Uint32Array[] = [];
  readonly #counts = new Uint32Array(PARTS);
  #bytes = 0;

  constructor(rows: RowHash) {
    this.#rows = rows;
    for (let part = 0; part < PARTS; part++) this.#slots.push(new Uint32Array(0));
  }

  /** Bytes of the slots. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The first row with this hash for which `equal` holds, or 0. */
  find(hash: number, equal: (row: number) => boolean): number {
    const slots = this.#part(hash);
    if (slots.length === 0) return 0;
    const mask = slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const row = slots[slot] ?? 0;
      if (row === 0) return 0;
      if (equal(row)) return row;
    }
  }

  /** Adds a row that is known to be absent. */
  insert(hash: number, row: number): void {
    const part = hash >>> 24;
    this.#reserve(part);
    place(this.#part(hash), hash, row);
    this.#counts[part] = (this.#counts[part] ?? 0) + 1;
  }

  /** Puts `row` in the place of the row that `equal` finds, and returns that one; adds it and returns 0 if there is none. */
  replace(hash: number, row: number, equal: (row: number) => boolean): number {
    const slots = this.#part(hash);
    const mask = slots.length - 1;
    for (let slot = hash & mask; slots.length > 0; slot = (slot + 1) & mask) {
      const present = slots[slot] ?? 0;
      if (present === 0) break;
      if (!equal(present)) continue;
      slots[slot] = row;
      return present;
    }
    this.insert(hash, row);
    return 0;
  }

  #part(hash: number): Uint32Array {
    const slots = this.#slots[hash >>> 24];
    if (slots === undefined) throw new RangeError(`hash ${hash}: expected 32 bits without sign`);
    return slots;
  }

  #reserve(part: number): void {
    const slots = this.#slots[part];
    const count = this.#counts[part] ?? 0;
    if (slots === undefined || (count + 1) * LOAD_DENOMINATOR <= slots.length * LOAD_NUMERATOR) return;
    const larger = new Uint32Array(Math.max(FIRST_SLOTS, slots.length * 2));
    for (const row of slots) if (row !== 0) place(larger, this.#rows.hashOf(row), row);
    this.#slots[part] = larger;
    this.#bytes += (larger.length - slots.length) * 4;
  }
}

function place(slots: Uint32Array, hash: number, row: number): void {
  const mask = slots.length - 1;
  let slot = hash & mask;
  while (slots[slot] !== 0) slot = (slot + 1) & mask;
  slots[slot] = row;
}

/** 32 well-mixed bits of two numbers (the finalizer of MurmurHash3, Austin Appleby, public domain). */
export function mix(a: number, b: number): number {
  let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
