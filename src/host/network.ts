/** Where to listen or connect. In the simulator `host` is a machine's name. */
export interface Address {
  readonly host: string;
  /** 1..65535; 0 when listening: any free port. */
  readonly port: number;
}

/** What a network operation can fail with: the kernel's names. */
export type NetworkErrorCode =
  | 'ECONNREFUSED'
  | 'ECONNRESET'
  | 'ETIMEDOUT'
  | 'EHOSTUNREACH'
  | 'ENOTFOUND'
  | 'EADDRINUSE'
  | 'EADDRNOTAVAIL'
  | 'EACCES'
  | 'EPIPE'
  | 'ECANCELED'
  | 'ETLS';

/** A network operation failed. `message` names the operation, the address and the code. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError';
  readonly code: NetworkErrorCode;

  constructor(code: NetworkErrorCode, operation: string, address: Address | string, options?: { cause?: unknown }) {
    const where = typeof address === 'string' ? address : `${address.host}:${address.port}`;
    super(`${operation} ${where}: ${code}`, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
  }
}

/** Certificates of one side of a TLS connection, PEM. The simulator ignores them. */
export interface TlsOptions {
  readonly certificate?: string;
  readonly key?: string;
  /** Authorities to trust. For a listener: asks clients for a certificate signed by one of them. */
  readonly authorities?: string;
  /** Name to verify the server's certificate against; default the address's host. */
  readonly serverName?: string;
}

export interface ConnectOptions {
  /** How long connecting may take, in milliseconds; ETIMEDOUT after that. Default 10,000. */
  readonly timeoutMs?: number;
  /** Abort gives ECANCELED. */
  readonly signal?: AbortSignal;
  readonly tls?: TlsOptions;
}

export interface ListenOptions {
  readonly tls?: TlsOptions;
  /** Connections not yet handed over; beyond it new ones are refused. Default 511. */
  readonly backlog?: number;
}

/**
 * A stream of bytes in both directions. Nothing of the boundaries of writes survives: one write may arrive in many
 * reads, many writes in one. One read and one write at a time; a second one while the first is pending throws.
 */
export interface Connection {
  readonly local: Address;
  readonly remote: Address;
  /**
   * The next bytes (at least one, the buffer is the caller's), or undefined when the peer has ended its direction.
   * Rejects with ECONNRESET or ETIMEDOUT when the connection broke, ECANCELED after `destroy`. What is not read
   * stays in bounded buffers: a slow reader holds the writer back.
   */
  read(): Promise<Uint8Array | undefined>;
  /**
   * Queues the bytes and resolves when there is room for more: at once below the high mark (64 KiB), else when the
   * peer has drained. Resolving says nothing of arrival. The bytes belong to the connection until it settles.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends this direction after what was written; reading goes on (half-close). */
  end(): Promise<void>;
  /** Drops the connection with a reset; what was not sent is lost. Idempotent. */
  destroy(): void;
  /** Resolves, never rejects, once both directions are over. */
  readonly closed: Promise<void>;
}

export interface Listener {
  /** The address with the port that was bound. */
  readonly address: Address;
  /** Stops accepting; connections that were accepted live on. */
  close(): Promise<void>;
}

export interface Network {
  /**
   * Accepts connections at an address and hands each to `onConnection`. EADDRINUSE if somebody listens there. An error
   * thrown by `onConnection` is a defect and not caught.
   */
  listen(address: Address, onConnection: (connection: Connection) => void, options?: ListenOptions): Promise<Listener>;
  connect(address: Address, options?: ConnectOptions): Promise<Connection>;
}
