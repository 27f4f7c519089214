import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

/**
 * What a participant writes down of its doings, in a file: what it wrote before it was killed is there afterwards, since a written page is the
 * kernel's. Eight words an entry; one that was cut short counts as not written.
 */
export const Noted = {
  /** A seat of a producer: sender. */
  producerOpened: 1,
  /** It may publish before this number: sender, number. */
  intends: 2,
  /** Everything before this number is flushed: sender, number. */
  flushed: 3,
  /** A lane: lane, subscription, epoch. */
  laneOpened: 4,
  /** Lane, sender, number, flags, checksum, byte length. */
  received: 5,
  /** The lane was taken: lane. */
  laneFenced: 6,
  /** Its router's epoch, and what it found of its predecessor: 1 if it finished a commit. */
  routerBegan: 7,
  /** Seat was left as it should be: producer's sender or lane. */
  closed: 8,
} as const;

export const requeuedMark = 1;
export const redeliveredMark = 2;

const entryWords = 8;

/** An entry: its kind, up to six numbers, and the machine's clock. */
export interface Entry {
  readonly kind: number;
  readonly values: readonly number[];
  /** In units of 64 microseconds, of 31 bits. */
  readonly at: number;
}

/** A participant's notes. Entries are kept until `write`, which is one call of the kernel. */
export class Witness {
  readonly #fd: number;
  readonly #clock: { now(): number };
  readonly #room = new Int32Array(entryWords * 1024);
  #entries = 0;

  constructor(file: string, clock: { now(): number }) {
    this.#fd = openSync(file, 'a');
    this.#clock = clock;
  }

  note(kind: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): void {
    const at = this.#entries * entryWords;
    this.#room.set([kind, a, b, c, d, e, f, (this.#clock.now() * 16) & 0x7fff_ffff], at);
    this.#entries += 1;
    if (this.#entries === 1024) this.write();
  }

  write(): void {
    if (this.#entries === 0) return;
    writeSync(this.#fd, this.#room.subarray(0, this.#entries * entryWords));
    this.#entries = 0;
  }

  /** An entry that stands in the file when this returns. */
  noteNow(kind: number, a = 0, b = 0, c = 0): void {
    this.note(kind, a, b, c);
    this.write();
  }

  close(): void {
    this.write();
    closeSync(this.#fd);
  }
}

/** The entries of a file, in order. */
export function readEntries(file: string): Entry[] {
  const bytes = readFileSync(file);
  const whole = Math.floor(bytes.byteLength / (entryWords * 4));
  const words = new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + whole * entryWords * 4));
  return Array.from({ length: whole }, (_, index) => {
    const [kind = 0, ...values] = words.subarray(index * entryWords, (index + 1) * entryWords);
    return { kind, values: values.slice(0, 6), at: values[6] ?? 0 };
  });
}
