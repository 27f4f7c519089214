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
  let wake: (() => void) | undefined;
  let writing = false;

  const wakeReader = (): void => {
    const waiting = wake;
    wake = undefined;
    waiting?.();
  };
  const failure = (operation: string): NetworkError => {
    if (destroyed) return new NetworkError('ECANCELED', operation, remote);
    return toNetworkError(broken ?? new NetworkError('ECONNRESET', operation, remote), operation, remote);
  };

  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      wakeReader();
      resolve();
    });
  });
  socket.on('readable', wakeReader);
  socket.on('end', () => {
    ended = true;
    wakeReader();
  });
  socket.on('error', (error) => {
    broken ??= error;
    wakeReader();
  });

  const read = async (): Promise<Uint8Array | undefined> => {
    for (;;) {
      if (destroyed || broken !== undefined) throw failure('read');
      const chunk: unknown = socket.read();
      if (chunk instanceof Uint8Array) return chunk;
      if (ended) return undefined;
      if (socket.destroyed) throw failure('read');
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  let reading = false;

  return {
    local,
    remote,
    closed,
    read() {
      if (reading) throw new Error('read: expected no read under way, the last one has not settled');
      reading = true;
      return read().finally(() => {
        reading = false;
      });
    },
    write(bytes) {
      if (writing) throw new Error('write: expected no write under way, the last one has not settled');
      if (destroyed || broken !== undefined) return Promise.reject(failure('write'));
      if (socket.writableEnded || socket.destroyed) return Promise.reject(new NetworkError('EPIPE', 'write', remote));
      const large = bytes.length >= HIGH_MARK_BYTES;
      // Node keeps a reference until the kernel has the bytes; the caller has them back as soon as the promise settles.
      const chunk = large ? bytes : bytes.slice();
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
      wakeReader();
    },
  };
}
