import { at } from './at.ts';

/**
 * Configurations that have been visited: which operations are in order, and the state after them (Lowe, 2017). A hash table with open
 * addressing over flat arrays: a configuration of n operations takes n / 8 + 16 bytes (n rounded up to 32), and no object of its own.
 */
export class Configurations {
  /** One bit for each operation. */
  readonly #bits: Uint32Array;
  readonly #weights: Uint32Array;
  readonly #words: number;
  /** The bits of every configuration, then its state: `#words + 1` numbers each. */
  #entries: Uint32Array;
  #hashes: Uint32Array;
  /** Number of an entry, from 1; 0: free. */
  #table: Int32Array;
  #hash = 0;
  size = 0;

  constructor(operations: number) {
    this.#words = (operations + 31) >> 5;
    this.#bits = new Uint32Array(this.#words);
    this.#weights = new Uint32Array(operations);
    for (let index = 0; index < operations; index++) this.#weights[index] = scramble(index + 1);
    this.#table = new Int32Array(256);
    this.#hashes = new Uint32Array(128);
    this.#entries = new Uint32Array(128 * (this.#words + 1));
  }
  /** Adds the operation to the set; false (and nothing changed) if that configuration was visited before. */
  add(index: number, state: number): boolean {
    this.#flip(index);
    const hash = (this.#hash ^ scramble(state)) >>> 0;
    const mask = this.#table.length - 1;
    let slot = hash & mask;
    for (let entry = at(this.#table, slot); entry !== 0; entry = at(this.#table, slot)) {
      if (this.#hashes[entry - 1] === hash && this.#isEntry(entry - 1, state)) {
        this.#flip(index);
        return false;
      }
      slot = (slot + 1) & mask;
    }
    if (this.size === this.#hashes.length) slot = this.#grow(hash);
    this.#store(slot, hash, state);
    return true;
  }
  remove(index: number): void {
    this.#flip(index);
  }
  /** Whether the operation is in order now. */
  has(index: number): boolean {
    return ((at(this.#bits, index >> 5) >>> (index & 31)) & 1) === 1;
  }
  /** Memory of the tables, in bytes. */
  get bytes(): number {
    return this.#entries.byteLength + this.#hashes.byteLength + this.#table.byteLength;
  }
  /** Memory that the next `add` of something new takes at its worst moment: tables that are full double, the old beside the new. */
  get bytesOfNext(): number {
    if (this.size < this.#hashes.length) return this.bytes;
    const [entries, hashes, table] = [this.#entries.byteLength, this.#hashes.byteLength, this.#table.byteLength];
    return Math.max(3 * entries + hashes + table, 2 * entries + 3 * hashes + table, 2 * (entries + hashes) + 3 * table);
  }

  #flip(index: number): void {
    const word = index >> 5;
    this.#bits[word] = at(this.#bits, word) ^ (1 << (index & 31));
    this.#hash ^= at(this.#weights, index);
  }
  #isEntry(entry: number, state: number): boolean {
    const start = entry * (this.#words + 1);
    if (this.#entries[start + this.#words] !== state) return false;
    for (let word = 0; word < this.#words; word++) if (this.#entries[start + word] !== this.#bits[word]) return false;
    return true;
  }
  #store(slot: number, hash: number, state: number): void {
    const start = this.size * (this.#words + 1);
    this.#entries.set(this.#bits, start);
    this.#entries[start + this.#words] = state;
    this.#hashes[this.size] = hash;
    this.size++;
    this.#table[slot] = this.size;
  }
  /** Twice the room; the table stays half empty. Gives the free slot for this hash. */
  #grow(wanted: number): number {
    const entries = new Uint32Array(2 * this.#entries.length);
    entries.set(this.#entries);
    this.#entries = entries;
    const hashes = new Uint32Array(2 * this.#hashes.length);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    this.#table = new Int32Array(2 * this.#table.length);
    const mask = this.#table.length - 1;
    for (let entry = 0; entry < this.size; entry++) {
      this.#table[this.#freeSlot(at(hashes, entry), mask)] = entry + 1;
    }
    return this.#freeSlot(wanted, mask);
  }
  #freeSlot(hash: number, mask: number): number {
    let slot = hash & mask;
    while (this.#table[slot] !== 0) slot = (slot + 1) & mask;
    return slot;
  }
}

/** The finalizer of MurmurHash3: spreads small numbers over 32 bits. */
function scramble(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
