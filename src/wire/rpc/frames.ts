/**
 * Frames on a connection between brokers: four bytes of length (of what follows), one byte that says what it is, the payload. No
 * checksum of its own: TCP has one, TLS a better one, and what lasts (record batches, journal records) carries CRC-32C.
 */

export const frameHeaderBytes = 5;

/** Until the other side has proved who it is, it makes us keep no more than this. */
export const helloBytesMax = 4 * 1024;

/** The longest frame: a snapshot of a small machine, or the entries of one message. */
export const frameBytesMax = 256 * 1024 * 1024;

/** Memory for a frame is taken at once up to here, whatever has come of it; a longer one's grows with what comes. */
const believedBytes = 1024 * 1024;

/** The other side does not speak this protocol: the connection is of no use any more. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** Puts a payload into a frame. */
export function frameOf(kind: number, payload: Uint8Array): Uint8Array {
  const framed = new Uint8Array(frameHeaderBytes + payload.length);
  const view = new DataView(framed.buffer);
  view.setUint32(0, payload.length + 1);
  framed[4] = kind;
  framed.set(payload, frameHeaderBytes);
  return framed;
}

/** Cuts a stream of bytes into frames. What arrives in one piece is given as a view of it, the rest is gathered in a buffer of its size. */
export class FrameSplitter {
  /** Longest frame that is taken. */
  bytesMax: number;
  readonly #header = new Uint8Array(4);
  #headerBytes = 0;
  #body: Uint8Array | undefined;
  #bodyBytes = 0;
  /** Length of the frame that is gathered. */
  #wanted = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** Everything that came belongs to a frame that was whole. */
  get isBetween(): boolean {
    return this.#body === undefined && this.#headerBytes === 0;
  }

  /** Calls `onFrame` for each frame that these bytes complete. Throws `FrameError` at a length out of range. */
  push(piece: Uint8Array, onFrame: (kind: number, payload: Uint8Array) => void): void {
    let at = 0;
    while (at < piece.length) {
      if (this.#body === undefined) {
        const length = this.#readLength(piece, at);
        if (length === undefined) return;
        at = length.next;
        if (piece.length - at >= length.bytes) {
          onFrame(piece[at] ?? 0, piece.subarray(at + 1, at + length.bytes));
          at += length.bytes;
          continue;
        }
        this.#body = new Uint8Array(Math.min(length.bytes, believedBytes));
        this.#bodyBytes = 0;
        this.#wanted = length.bytes;
      }
      at += this.#fill(piece, at, onFrame);
    }
  }

  #fill(piece: Uint8Array, at: number, onFrame: (kind: number, payload: Uint8Array) => void): number {
    let body = this.#body;
    if (body === undefined) return 0;
    const taken = Math.min(this.#wanted - this.#bodyBytes, piece.length - at);
    const needed = this.#bodyBytes + taken;
    if (needed > body.length) {
      const larger = new Uint8Array(Math.min(this.#wanted, Math.max(needed, body.length * 2)));
      larger.set(body.subarray(0, this.#bodyBytes));
      body = larger;
      this.#body = larger;
    }
    body.set(piece.subarray(at, at + taken), this.#bodyBytes);
    this.#bodyBytes = needed;
    if (needed === this.#wanted) {
      this.#body = undefined;
      onFrame(body[0] ?? 0, body.subarray(1, needed));
    }
    return taken;
  }

  /** Length of the next frame, once its four bytes are there; `next` is where the frame goes on in the piece. */
  #readLength(piece: Uint8Array, from: number): { bytes: number; next: number } | undefined {
    let at = from;
    while (this.#headerBytes < 4) {
      const byte = piece[at];
      if (byte === undefined) return undefined;
      this.#header[this.#headerBytes++] = byte;
      at++;
    }
    this.#headerBytes = 0;
    const [a = 0, b = 0, c = 0, d = 0] = this.#header;
    const bytes = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
    if (bytes < 1 || bytes > this.bytesMax) {
      throw new FrameError(`a frame of ${bytes} bytes came, expected 1 to ${this.bytesMax}`);
    }
    if (at < piece.length) return { bytes, next: at };
    // The piece ends between length and body.
    this.#body = new Uint8Array(Math.min(bytes, believedBytes));
    this.#bodyBytes = 0;
    this.#wanted = bytes;
    return undefined;
  }
}
