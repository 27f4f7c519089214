import type { Clock, Millis } from '../../../host/clock.ts';

/** Pieces below this are copied together into one write. */
const gatherBelowBytes = 16 * 1024;
/** So much is gathered at most before it is written. */
const gatherBytes = 64 * 1024;

/** Writes answers one after the other: small pieces together, large ones (records) as they are. */
export class ResponseWriter {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #clock: Clock;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  /** Since when a write waits for the client to take what it was sent; undefined when none does. */
  stalledSince: Millis | undefined;
  /** When the last write was taken. */
  lastWriteAt: Millis;

  constructor(write: (bytes: Uint8Array) => Promise<void>, clock: Clock) {
    this.#write = write;
    this.#clock = clock;
    this.lastWriteAt = clock.now();
  }

  /** Takes an answer; it may stay here until `flush`. The bytes must not change any more. */
  async add(pieces: readonly Uint8Array[]): Promise<void> {
    for (const piece of pieces) {
      if (piece.length >= gatherBelowBytes) {
        await this.flush();
        await this.#send(piece);
        continue;
      }
      this.#gathered.push(piece);
      this.#gatheredBytes += piece.length;
      if (this.#gatheredBytes >= gatherBytes) await this.flush();
    }
  }

  /** Writes what was gathered. */
  async flush(): Promise<void> {
    const pieces = this.#gathered;
    const [only] = pieces;
    if (only === undefined) return;
    const bytes = pieces.length === 1 ? only : concatenate(pieces, this.#gatheredBytes);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    await this.#send(bytes);
  }

  async #send(bytes: Uint8Array): Promise<void> {
    this.stalledSince = this.#clock.now();
    await this.#write(bytes);
    this.stalledSince = undefined;
    this.lastWriteAt = this.#clock.now();
  }
}

function concatenate(pieces: readonly Uint8Array[], total: number): Uint8Array {
  const whole = new Uint8Array(total);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
