import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type Address, type Connection, NetworkError } from '../host/network.ts';
import { toNetworkError } from './networkErrors.ts';

/** A writer waits while so many bytes are queued. */
const HIGH_MARK_BYTES = 64 * 1024;

/** A connected socket of Node (plain or TLS, opened with `allowHalfOpen`) as a `Connection`. */
export function wrapSocket(socket: Socket, remote: Address): Connection {
  const local: Address = { host: socket.localAddress ?? '', port: socket.localPort ?? 0 };
  let broken: Error | undefined;
  let ended = false;
  let destroyed = false;
  let writing = false;
  /** What has come and nobody has read; the socket is held at the high mark. */
  let chunks: Uint8Array[] = [];
  let waitingBytes = 0;
  let isHeld = false;
  let reader: { resolve(bytes: Uint8Array | undefined): void; reject(error: NetworkError): void } | undefined;

  const failure = (operation: string): NetworkError => {
    if (destroyed) return new NetworkError('ECANCELED', operation, remote);
    return toNetworkError(broken ?? new NetworkError('ECONNRESET', operation, remote), operation, remote);
  };
  /** Ends the read under way for which there is no more to come. */
  const endRead = (): void => {
    const waiting = reader;
    if (waiting === undefined) return;
    reader = undefined;
    if (ended && !destroyed && broken === undefined) waiting.resolve(undefined);
    else waiting.reject(failure('read'));
  };

  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      endRead();
      resolve();
    });
  });
  // A stream that flows gives a chunk as it comes: reading it on demand costs a turn of its queue and its buffer besides.
  socket.on('data', (chunk: Uint8Array) => {
    const waiting = reader;
    if (waiting !== undefined) {
      reader = undefined;
      waiting.resolve(chunk);
      return;
    }
    chunks.push(chunk);
    waitingBytes += chunk.length;
    if (waitingBytes < HIGH_MARK_BYTES || isHeld) return;
    isHeld = true;
    socket.pause();
  });
  socket.on('end', () => {
    ended = true;
    endRead();
  });
  socket.on('error', (error) => {
    broken ??= error;
    endRead();
  });

  /** Everything that has come, as one piece. */
  const takeAll = (): Uint8Array => {
    const [first = new Uint8Array(0)] = chunks;
    const all = chunks.length === 1 ? first : Buffer.concat(chunks);
    chunks = [];
    waitingBytes = 0;
    if (isHeld) {
      isHeld = false;
      socket.resume();
    }
    return all;
  };

  return {
    local,
    remote,
    closed,
    read() {
      if (reader !== undefined) throw new Error('read: expected no read under way, the last one has not settled');
      if (destroyed || broken !== undefined) return Promise.reject(failure('read'));
      if (chunks.length > 0) return Promise.resolve(takeAll());
      if (ended) return Promise.resolve(undefined);
      if (socket.destroyed) return Promise.reject(failure('read'));
      return new Promise((resolve, reject) => {
        reader = { resolve, reject };
      });
    },
    write(bytes) {
      if (writing) throw new Error('write: expected no write under way, the last one has not settled');
      if (destroyed || broken !== undefined) return Promise.reject(failure('write'));
      if (socket.writableEnded || socket.destroyed) return Promise.reject(new NetworkError('EPIPE', 'write', remote));
      const large = bytes.length >= HIGH_MARK_BYTES;
      // Node keeps a reference until the kernel has the bytes; the caller has them back as soon as the promise settles.
      const chunk = large ? bytes : Buffer.from(bytes);
      if (!large && socket.writableLength + chunk.length < HIGH_MARK_BYTES) {
        // An error of a write that has settled already is an error of the connection: the next call reports it.
        socket.write(chunk);
        return Promise.resolve();
      }
      writing = true;
      return new Promise((resolve, reject) => {
        const settle = (error?: Error | null): void => {
          if (!writing) return;
          writing = false;
          socket.off('close', onClose);
          if (destroyed || broken !== undefined || error instanceof Error || socket.destroyed) {
            broken ??= error instanceof Error ? error : undefined;
            reject(failure('write'));
          } else {
            resolve();
          }
        };
        const onClose = (): void => settle();
        socket.once('close', onClose);
        socket.write(chunk, settle);
      });
    },
    end() {
      if (destroyed || broken !== undefined) return Promise.reject(failure('end'));
      if (socket.writableFinished) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const onClose = (): void => reject(failure('end'));
        socket.once('close', onClose);
        const done = (): void => {
          socket.off('close', onClose);
          resolve();
        };
        if (socket.writableEnded) socket.once('finish', done);
        else socket.end(done);
      });
    },
    destroy() {
      if (destroyed) return;
      destroyed = true;
      // Node can reset a TCP handle only: over TLS the peer sees the stream end instead of a reset.
      if (socket instanceof TLSSocket) socket.destroy();
      else socket.resetAndDestroy();
      endRead();
    },
  };
}
