/** Bytes that an entry costs beside its characters: the slot in the map and in the list, the head of the string. */
const ENTRY_BYTES = 64;

/** Entries that one dictionary may hold: a JavaScript map ends at 2^24. */
export const DICTIONARY_ENTRIES_MAX = 16_000_000;

/** Numbers for strings, in order of arrival, from 1; 0 means none. Never forgets. */
export class Dictionary {
  readonly #numbers = new Map<string, number>();
  readonly #strings: string[] = [''];
  #bytes = 0;

  /** Entries. Numbers run from 1 to this. */
  get size(): number {
    return this.#numbers.size;
  }

  /** Estimate of the memory held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The number of a string, or 0 if it has none. */
  find(text: string): number {
    return this.#numbers.get(text) ?? 0;
  }

  /** The number of a string, a new one if it has none. */
  intern(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const number = this.#strings.length;
    this.#numbers.set(text, number);
    this.#strings.push(text);
    this.#bytes += text.length + ENTRY_BYTES;
    return number;
  }

  /** The string of a number; throws on one that was never given. */
  text(number: number): string {
    const text = this.#strings[number];
    if (text === undefined || number === 0) throw new RangeError(`dictionary number ${number} of ${this.size}`);
    return text;
  }
}
