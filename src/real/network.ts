import { createServer, isIP, connect as netConnect, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls';
import { type Address, type ConnectOptions, type Network, NetworkError, type TlsOptions } from '../host/network.ts';
import { wrapSocket } from './connection.ts';
import { toNetworkError } from './networkErrors.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const BACKLOG = 511;

/** The network of this machine over TCP, and over TLS where options say so. */
export function createRealNetwork(): Network {
  return {
    connect: (address, options = {}) => connect(address, options),
    listen(address, onConnection, options = {}) {
      const onSocket = (socket: Socket): void => {
        const remote: Address = { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
        onConnection(wrapSocket(socket, remote));
      };
      const settings = { allowHalfOpen: true, noDelay: true };
      const server: Server =
        options.tls === undefined
          ? createServer(settings, onSocket)
          : createTlsServer({ ...settings, ...serverTls(options.tls) }, onSocket);
      return new Promise((resolve, reject) => {
        const onError = (error: Error): void => reject(toNetworkError(error, 'listen', address));
        server.once('error', onError);
        server.listen({ host: address.host, port: address.port, backlog: options.backlog ?? BACKLOG }, () => {
          server.off('error', onError);
          const bound = server.address();
          const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
          resolve({
            address: { host: address.host, port },
            close: () =>
              new Promise((closed) => {
                // Node calls back when the last connection is over; ours live on, so nobody waits for that.
                server.close();
                closed();
              }),
          });
        });
      });
    },
  };
}

function connect(address: Address, options: ConnectOptions): ReturnType<Network['connect']> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new NetworkError('ECANCELED', 'connect', address));
      return;
    }
    const settings = { host: address.host, port: address.port, allowHalfOpen: true, noDelay: true };
    const socket =
      options.tls === undefined
        ? netConnect(settings)
        : tlsConnect({ ...settings, ...clientTls(options.tls, address.host) });
    const settle = (): void => {
      clearTimeout(timeout);
      signal?.removeEventListener('abort', onAbort);
      socket.off('error', onError);
    };
    const fail = (error: NetworkError): void => {
      settle();
      // The error that destroying may cause has been told already.
      socket.on('error', () => {});
      socket.destroy();
      reject(error);
    };
    const onError = (error: Error): void => fail(toNetworkError(error, 'connect', address));
    const onAbort = (): void => fail(new NetworkError('ECANCELED', 'connect', address));
    const timeout = setTimeout(
      () => fail(new NetworkError('ETIMEDOUT', 'connect', address)),
      options.timeoutMs ?? CONNECT_TIMEOUT_MS,
    );
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('error', onError);
    socket.once(options.tls === undefined ? 'connect' : 'secureConnect', () => {
      settle();
      resolve(wrapSocket(socket, address));
    });
  });
}

function serverTls(tls: TlsOptions): object {
  return {
    ...(tls.certificate !== undefined && { cert: tls.certificate }),
    ...(tls.key !== undefined && { key: tls.key }),
    ...(tls.authorities !== undefined && { ca: tls.authorities, requestCert: true, rejectUnauthorized: true }),
  };
}

function clientTls(tls: TlsOptions, host: string): object {
  return {
    // An address may not be sent as a server's name (RFC 6066); Node verifies it by `host` then.
    ...(tls.serverName !== undefined || isIP(host) === 0 ? { servername: tls.serverName ?? host } : {}),
    ...(tls.certificate !== undefined && { cert: tls.certificate }),
    ...(tls.key !== undefined && { key: tls.key }),
    ...(tls.authorities !== undefined && { ca: tls.authorities }),
  };
}
