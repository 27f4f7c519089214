import type { IncomingMessage } from 'node:http';

/** Bodies that are streamed at one time; a request beyond gets 503. Each may hold a line of the largest size. */
export const STREAMS_MAX = 64;
/** How long the sender of a stream may be silent while it is listened to, in milliseconds. */
export const STREAM_IDLE_MS = 300_000;

/**
 * The body of a request as it arrives. A sender who is silent for `idleMs` while the next piece is waited for is cut
 * off: a connection that stays open for nothing would keep a place from others. Time in which nobody reads does not
 * count, since then it is the sender who waits.
 */
export async function* streamedBody(request: IncomingMessage, idleMs = STREAM_IDLE_MS): AsyncGenerator<Uint8Array> {
  const listen = () => setTimeout(() => request.destroy(new Error(`no byte came within ${idleMs} ms`)), idleMs);
  let idle = listen();
  try {
    for await (const piece of request) {
      clearTimeout(idle);
      yield piece as Uint8Array; // buffers, as no encoding is set
      idle = listen();
    }
  } finally {
    clearTimeout(idle);
  }
}
