import type { IncomingMessage } from 'node:http';
import type { RouteResponse } from '../../engines/route.ts';
import { errorResponse } from '../../engines/router.ts';
import { Gathered } from '../../wire/gather.ts';

/** How long a client may take to send a body that is not streamed, in milliseconds. */
export const BODY_TIMEOUT_MS = 60_000;
/** Bytes of bodies that are held at one time, over all requests; a request beyond gets 503. */
export const BODIES_BYTES_MAX = 64 * 1024 * 1024;
/** When a client that found no room should come again. */
const NO_ROOM_RETRY_MS = 1_000;

/** A body that was not taken: what to answer, and whether anybody is left to hear it. */
export class BodyRefused extends Error {
  override readonly name = 'BodyRefused';
  /** Undefined when the client is gone. */
  readonly response: RouteResponse | undefined;

  constructor(message: string, response: RouteResponse | undefined) {
    super(message);
    this.response = response;
  }
}

/** The memory that bodies may take together. Without it, as many bodies as connections could be held at once. */
export class BodyRoom {
  readonly #maxBytes: number;
  #held = 0;

  constructor(maxBytes: number = BODIES_BYTES_MAX) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held now. */
  get held(): number {
    return this.#held;
  }

  /** Takes room for `bytes` more; false when there is none. */
  take(bytes: number): boolean {
    if (this.#held + bytes > this.#maxBytes) return false;
    this.#held += bytes;
    return true;
  }

  /** Gives room back. */
  give(bytes: number): void {
    this.#held -= bytes;
  }
}

/**
 * Reads a whole body of at most `maxBytes`. Its length stays taken of `room` until the caller gives it back.
 *
 * @throws BodyRefused with 413 as soon as it is known to be larger, 408 after `timeoutMs`, 503 when there is no room for
 * it, no answer when the client left
 */
export function readBody(
  request: IncomingMessage,
  maxBytes: number,
  room: BodyRoom,
  timeoutMs = BODY_TIMEOUT_MS,
): Promise<Uint8Array> {
  const { headers } = request;
  if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined)
    return Promise.resolve(EMPTY);
  const stated = Number(headers['content-length'] ?? 0);
  if (stated > maxBytes) return Promise.reject(tooLarge(maxBytes));
  return new Promise((resolve, reject) => {
    const body = new Gathered();
    let whole: Uint8Array | undefined;
    let bytes = 0;
    const settle = (act: () => void) => {
      clearTimeout(deadline);
      request.off('data', onData).off('end', onEnd).off('close', onGone).off('error', onGone);
      act();
    };
    const refuse = (refusal: BodyRefused) =>
      settle(() => {
        room.give(bytes);
        reject(refusal);
      });
    const onData = (chunk: Buffer) => {
      if (bytes + chunk.length > maxBytes) refuse(tooLarge(maxBytes));
      else if (!room.take(chunk.length)) refuse(noRoom());
      else {
        bytes += chunk.length;
        // Most bodies come in one piece, which needs no copy.
        if (chunk.length === stated) whole = chunk;
        else body.append(chunk);
      }
    };
    const onEnd = () => settle(() => resolve(whole ?? body.take()));
    const onGone = () => refuse(new BodyRefused('the client left before its body was complete', undefined));
    const deadline = setTimeout(() => refuse(tooSlow(timeoutMs)), timeoutMs);
    request.on('data', onData).on('end', onEnd).on('close', onGone).on('error', onGone);
  });
}

const EMPTY = new Uint8Array(0);

// The rest of such a body would still arrive on this connection, so the connection ends with the answer.
function tooLarge(maxBytes: number): BodyRefused {
  const message = `expected a body of at most ${maxBytes} bytes, got more`;
  return new BodyRefused(message, errorResponse(413, 'TOO_LARGE', message, {}, { connection: 'close' }));
}

function tooSlow(timeoutMs: number): BodyRefused {
  const message = `expected the whole body within ${timeoutMs} ms`;
  return new BodyRefused(message, errorResponse(408, 'REQUEST_TIMEOUT', message, {}, { connection: 'close' }));
}

function noRoom(): BodyRefused {
  const message = `bodies of ${BODIES_BYTES_MAX} bytes are being worked on: try again later, or send less at once`;
  return new BodyRefused(message, overloaded(message));
}

/** The answer to a request for which there is no room now. */
export function overloaded(message: string): RouteResponse {
  return errorResponse(
    503,
    'OVERLOADED',
    message,
    { retry_after_ms: NO_ROOM_RETRY_MS },
    { 'retry-after': String(NO_ROOM_RETRY_MS / 1_000), connection: 'close' },
  );
}
