import type { Connection } from '../../host/network.ts';

/**
 * How HTTP-like messages travel over a simulated connection: a head (u32 length, JSON) and a body of chunks (u32 length,
 * bytes), ended by a chunk of length 0. All numbers are little-endian. Both directions use it.
 */

/** Largest head in bytes; a longer one is a defect of the peer. */
export const headBytesMax = 64 * 1024;
/** Largest chunk in bytes; longer bodies are cut into several. */
export const chunkBytesMax = 64 * 1024;

export interface RequestHead {
  readonly method: string;
  /** With the query string. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface ResponseHead {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const endOfBody = new Uint8Array(4);

/** The peer ended or broke the connection in the middle of a message, or sent what is no message. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** Reads whole pieces from a connection, whatever way its bytes were cut. */
export class FrameReader {
  readonly #connection: Connection;
  #buffered: Uint8Array[] = [];
  #bytes = 0;
  #ended = false;
  #pending: Promise<void> | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The next message's head, or undefined when the peer ended between two messages. */
  async head(): Promise<unknown> {
    const prefix = await this.#take(4, true);
    if (prefix === undefined) return undefined;
    const length = lengthOf(prefix, headBytesMax, 'head');
    const bytes = await this.#take(length, false);
    return JSON.parse(decoder.decode(bytes));
  }

  /** The next chunk of the body, or undefined at its end. */
  async chunk(): Promise<Uint8Array | undefined> {
    const prefix = await this.#take(4, false);
    const length = lengthOf(prefix, chunkBytesMax, 'chunk');
    return length === 0 ? undefined : await this.#take(length, false);
  }

  /** Resolves when the peer is gone (ended or broken); never if it first sends more. Used while a request is handled. */
  async gone(): Promise<void> {
    if (this.#bytes > 0) return new Promise(() => {});
    await this.#fill().catch(() => {
      this.#ended = true;
    });
    if (!this.#ended) return new Promise(() => {});
  }

  async #take(count: number, mayEnd: false): Promise<Uint8Array>;
  async #take(count: number, mayEnd: boolean): Promise<Uint8Array | undefined>;
  async #take(count: number, mayEnd: boolean): Promise<Uint8Array | undefined> {
    while (this.#bytes < count) {
      if (this.#ended) {
        if (mayEnd && this.#bytes === 0) return undefined;
        throw new WireError(`the peer ended in the middle of a message: expected ${count} bytes, got ${this.#bytes}`);
      }
      await this.#fill();
    }
    return this.#cut(count);
  }

  /** One read of the connection; a connection allows one at a time, so those who wait share it. */
  #fill(): Promise<void> {
    this.#pending ??= this.#connection.read().then(
      (bytes) => {
        this.#pending = undefined;
        if (bytes === undefined) {
          this.#ended = true;
          return;
        }
        this.#buffered.push(bytes);
        this.#bytes += bytes.length;
      },
      (error: unknown) => {
        this.#pending = undefined;
        throw error;
      },
    );
    return this.#pending;
  }

  #cut(count: number): Uint8Array {
    const piece = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      const first = this.#buffered[0];
      if (first === undefined) throw new Error('fewer bytes are buffered than were counted');
      const part = first.subarray(0, count - filled);
      piece.set(part, filled);
      filled += part.length;
      if (part.length === first.length) this.#buffered.shift();
      else this.#buffered[0] = first.subarray(part.length);
    }
    this.#bytes -= count;
    return piece;
  }
}

/** Sends a head. */
export async function writeHead(connection: Connection, head: RequestHead | ResponseHead): Promise<void> {
  await connection.write(prefixed(headBytes(head)));
}

function headBytes(head: RequestHead | ResponseHead): Uint8Array {
  const json = encoder.encode(JSON.stringify(head));
  if (json.length > headBytesMax)
    throw new WireError(`expected a head of at most ${headBytesMax} B, got ${json.length}`);
  return json;
}

/** Sends a part of a body, in as many chunks as it takes. */
export async function writeBody(connection: Connection, bytes: Uint8Array): Promise<void> {
  for (let from = 0; from < bytes.length; from += chunkBytesMax) {
    await connection.write(prefixed(bytes.subarray(from, from + chunkBytesMax)));
  }
}

/** Ends a body. */
export async function writeEnd(connection: Connection): Promise<void> {
  await connection.write(endOfBody.slice());
}

/** Sends a whole message: in one write if its body fits into one chunk, as a kernel would gather it, else chunk by chunk. */
export async function writeMessage(
  connection: Connection,
  head: RequestHead | ResponseHead,
  body: Uint8Array,
): Promise<void> {
  if (body.length > chunkBytesMax) {
    await writeHead(connection, head);
    await writeBody(connection, body);
    await writeEnd(connection);
    return;
  }
  const pieces = [prefixed(headBytes(head))];
  if (body.length > 0) pieces.push(prefixed(body));
  pieces.push(endOfBody);
  await connection.write(concatenate(pieces));
}

function prefixed(bytes: Uint8Array): Uint8Array {
  const framed = new Uint8Array(4 + bytes.length);
  new DataView(framed.buffer).setUint32(0, bytes.length, true);
  framed.set(bytes, 4);
  return framed;
}

function lengthOf(prefix: Uint8Array, max: number, what: string): number {
  const length = new DataView(prefix.buffer, prefix.byteOffset, 4).getUint32(0, true);
  if (length > max) throw new WireError(`expected a ${what} of at most ${max} B, got ${length}`);
  return length;
}

/** Puts pieces together. */
export function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  const only = pieces.length === 1 ? pieces[0] : undefined;
  if (only !== undefined) return only;
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** A body as bytes: strings as UTF-8, bytes as they are, anything else as JSON; undefined is empty. */
export function bodyBytes(body: unknown): Uint8Array {
  if (body === undefined) return new Uint8Array(0);
  if (body instanceof Uint8Array) return body;
  return encoder.encode(typeof body === 'string' ? body : JSON.stringify(body));
}
