import type { Connection } from '../../../host/network.ts';
import { packFrames } from '../../../wire/rpc/packed.ts';

/** Bytes that wait for a connection that is slower than we are; what comes beyond is refused to the caller. One chunk always fits. */
export const outgoingBytesMax = 64 * 1024 * 1024;

/** Chunks shorter than this are laid together before they are written. */
const joinedBytesMax = 64 * 1024;

/** The writing side of a connection: chunks (whole frames) in order, one write at a time, bounded. */
export class OutgoingBytes {
  readonly #connection: Connection;
  readonly #onBroken: (error: unknown) => void;
  readonly #packs: boolean;
  #queue: Uint8Array[] = [];
  #urgent: Uint8Array | undefined;
  #queuedBytes = 0;
  #takenBytes = 0;
  #isWriting = false;
  #broken = false;

  /** `packs`: what is long is compressed. */
  constructor(connection: Connection, onBroken: (error: unknown) => void, packs = false) {
    this.#connection = connection;
    this.#onBroken = onBroken;
    this.#packs = packs;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** All bytes that were ever taken. */
  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** Takes the chunk, or says false when too much waits. It must not change any more. */
  write(chunk: Uint8Array): boolean {
    if (this.#broken) return false;
    if (this.#queuedBytes > 0 && this.#queuedBytes + chunk.length > outgoingBytesMax) return false;
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.length;
    this.#takenBytes += chunk.length;
    if (!this.#isWriting) void this.#pump();
    return true;
  }

  /**
   * Takes a frame that says only that this side lives, or asks that of the other: it goes before all that waits, also when too much waits
   * for anything else. One that still waits is replaced: the newest says it all.
   */
  urge(frame: Uint8Array): void {
    if (this.#broken) return;
    this.#urgent = frame;
    if (!this.#isWriting) void this.#pump();
  }

  async #pump(): Promise<void> {
    this.#isWriting = true;
    try {
      for (;;) {
        const urgent = this.#urgent;
        if (urgent !== undefined) {
          this.#urgent = undefined;
          await this.#connection.write(urgent);
          continue;
        }
        const chunk = this.#next();
        if (chunk === undefined) break;
        await this.#connection.write(this.#packs ? packFrames(chunk) : chunk);
        this.#queuedBytes -= chunk.length;
      }
    } catch (error) {
      this.#broken = true;
      this.#queue = [];
      this.#onBroken(error);
    } finally {
      this.#isWriting = false;
    }
  }

  #next(): Uint8Array | undefined {
    const first = this.#queue[0];
    if (first === undefined) return undefined;
    let count = 1;
    let bytes = first.length;
    for (; count < this.#queue.length; count++) {
      const next = this.#queue[count];
      if (next === undefined || bytes + next.length > joinedBytesMax) break;
      bytes += next.length;
    }
    if (count === 1) {
      this.#queue.shift();
      return first;
    }
    const joined = new Uint8Array(bytes);
    let at = 0;
    for (const chunk of this.#queue.splice(0, count)) {
      joined.set(chunk, at);
      at += chunk.length;
    }
    return joined;
  }
}
