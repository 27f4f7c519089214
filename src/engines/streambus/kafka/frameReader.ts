/** Why a frame is not read: the connection cannot go on, its next boundary is unknown. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
  readonly reason: 'frame-too-small' | 'frame-too-large';
  constructor(reason: FrameError['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

export interface FrameReaderOptions {
  /** The next bytes of the connection; undefined at its end. */
  readonly read: () => Promise<Uint8Array | undefined>;
  /** Smallest frame; asked for each. */
  readonly minFrameBytes: () => number;
  /** Largest frame; asked for each, since it grows once a client has shown who it is. */
  readonly maxFrameBytes: () => number;
  /** Called with the length of a frame before its bytes are held; false gives up. */
  readonly reserve: (bytes: number) => boolean | Promise<boolean>;
}

/** A chunk that is so many times larger than the frame in it is not kept alive by it. */
const copyBelow = 4;

/** A frame's memory is taken at once up to here, whatever has come of it. */
const believedBytes = 1024 * 1024;

/** Cuts a stream of bytes into frames: a length of four bytes, then so many. */
export class FrameReader {
  readonly #options: FrameReaderOptions;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(options: FrameReaderOptions) {
    this.#options = options;
  }

  /** True when a frame has begun and is not complete. */
  isInside = false;

  /** True when bytes of the next frame are here already. */
  get hasMore(): boolean {
    return this.#at < this.#chunk.length;
  }

  /**
   * The next frame, without its length: a part of what was read where it lies in one chunk, else gathered. Undefined at the end of
   * the stream (also within a frame: nobody waits for its answer) or when the reservation was given up. Throws `FrameError`.
   */
  async next(): Promise<Uint8Array | undefined> {
    const { reserve, minFrameBytes, maxFrameBytes } = this.#options;
    let size = 0;
    for (let byte = 0; byte < 4; byte++) {
      if (this.#at === this.#chunk.length && !(await this.#more())) return undefined;
      this.isInside = true;
      size = size * 256 + (this.#chunk[this.#at++] ?? 0);
    }
    const least = minFrameBytes();
    if (size < least) {
      throw new FrameError('frame-too-small', `expected a frame of at least ${least} bytes, got ${size}`);
    }
    const most = maxFrameBytes();
    if (size > most) throw new FrameError('frame-too-large', `expected a frame of at most ${most} bytes, got ${size}`);
    const reserved = reserve(size);
    if (!(reserved === true || (await reserved))) return undefined;
    const frame = this.#here(size) ?? (await this.#gather(size));
    this.isInside = false;
    return frame;
  }

  /** The frame when all of it is here. */
  #here(size: number): Uint8Array | undefined {
    if (this.#chunk.length - this.#at < size) return undefined;
    const part = this.#chunk.subarray(this.#at, this.#at + size);
    this.#at += size;
    return this.#chunk.buffer.byteLength > size * copyBelow ? part.slice() : part;
  }

  /** A large frame's memory grows with what has come of it: four bytes may claim a hundred megabytes. */
  async #gather(size: number): Promise<Uint8Array | undefined> {
    let frame = new Uint8Array(Math.min(size, believedBytes));
    let filled = 0;
    while (filled < size) {
      if (this.#at === this.#chunk.length && !(await this.#more())) return undefined;
      const part = this.#chunk.subarray(this.#at, this.#at + size - filled);
      if (filled + part.length > frame.length) {
        const larger = new Uint8Array(Math.min(size, Math.max(frame.length * 2, filled + part.length)));
        larger.set(frame.subarray(0, filled));
        frame = larger;
      }
      frame.set(part, filled);
      filled += part.length;
      this.#at += part.length;
    }
    return frame;
  }

  async #more(): Promise<boolean> {
    const chunk = await this.#options.read();
    if (chunk === undefined) return false;
    // A plain array, whatever came: the slices of Node's buffers are no copies, and they have a JSON of their own.
    this.#chunk = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
    this.#at = 0;
    return true;
  }
}
