import type { IncomingMessage } from 'node:http';
import type { RouteResponse } from '../../engines/route.ts';
import { errorResponse } from '../../engines/router.ts';

/** How long a client may take to send a body that is not streamed, in milliseconds. */
export const BODY_TIMEOUT_MS = 60_000;

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

/**
 * Reads a whole body of at most `maxBytes`.
 *
 * @throws BodyRefused with 413 as soon as it is known to be larger, 408 after `timeoutMs`, no answer when the client left
 */
export function readBody(request: IncomingMessage, maxBytes: number, timeoutMs = BODY_TIMEOUT_MS): Promise<Buffer> {
  const { headers } = request;
  if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined)
    return Promise.resolve(EMPTY);
  if (Number(headers['content-length'] ?? 0) > maxBytes) return Promise.reject(tooLarge(maxBytes));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const settle = (act: () => void) => {
      clearTimeout(deadline);
      request.off('data', onData).off('end', onEnd).off('close', onGone).off('error', onGone);
      act();
    };
    const onData = (chunk: Buffer) => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes > maxBytes) settle(() => reject(tooLarge(maxBytes)));
    };
    const onEnd = () =>
      settle(() => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, bytes)));
    const onGone = () =>
      settle(() => reject(new BodyRefused('the client left before its body was complete', undefined)));
    const deadline = setTimeout(() => settle(() => reject(tooSlow(timeoutMs))), timeoutMs);
    request.on('data', onData).on('end', onEnd).on('close', onGone).on('error', onGone);
  });
}

const EMPTY = Buffer.alloc(0);

// The rest of such a body would still arrive on this connection, so the connection ends with the answer.
function tooLarge(maxBytes: number): BodyRefused {
  const message = `expected a body of at most ${maxBytes} bytes, got more`;
  return new BodyRefused(message, errorResponse(413, 'TOO_LARGE', message, {}, { connection: 'close' }));
}

function tooSlow(timeoutMs: number): BodyRefused {
  const message = `expected the whole body within ${timeoutMs} ms`;
  return new BodyRefused(message, errorResponse(408, 'REQUEST_TIMEOUT', message, {}, { connection: 'close' }));
}
