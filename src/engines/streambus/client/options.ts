import type { Address, TlsOptions } from '../../../host/network.ts';

/** Who the client says it is. */
export interface SaslLogin {
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
  readonly user: string;
  readonly password: string;
}

/** How a client finds and talks to the brokers. */
export interface ClientOptions {
  /** Brokers to ask first; any of them will do. */
  readonly bootstrap: readonly Address[];
  /** Name of the client, as quotas and the slow-query log know it. Default `hotfire`. */
  readonly clientId?: string;
  readonly tls?: TlsOptions;
  readonly sasl?: SaslLogin;
  /** How long one answer may take. Default 10,000 ms. */
  readonly requestTimeoutMs?: number;
  /** How long one connection attempt may take. Default 3,000 ms. */
  readonly connectTimeoutMs?: number;
  /** How long an operation is tried again before it fails. Default 30,000 ms. */
  readonly operationTimeoutMs?: number;
  /** Pause before the first repeat, doubled each time up to a second. Default 50 ms. */
  readonly retryMs?: number;
  /** Requests under way on one connection; more wait. Default 32. */
  readonly inFlightMax?: number;
  /** Largest answer that is read. Default 128 MiB. */
  readonly responseBytesMax?: number;
}

/** The options with their defaults. */
export interface ClientSettings {
  readonly bootstrap: readonly Address[];
  readonly clientId: string;
  readonly tls: TlsOptions | undefined;
  readonly sasl: SaslLogin | undefined;
  readonly requestTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly operationTimeoutMs: number;
  readonly retryMs: number;
  readonly inFlightMax: number;
  readonly responseBytesMax: number;
}

/** Fills in the defaults. Throws `RangeError` without a broker to ask. */
export function settingsOf(options: ClientOptions): ClientSettings {
  if (options.bootstrap.length === 0) throw new RangeError('client: expected at least one broker to ask first');
  return {
    bootstrap: options.bootstrap,
    clientId: options.clientId ?? 'hotfire',
    tls: options.tls,
    sasl: options.sasl,
    requestTimeoutMs: options.requestTimeoutMs ?? 10_000,
    connectTimeoutMs: options.connectTimeoutMs ?? 3_000,
    operationTimeoutMs: options.operationTimeoutMs ?? 30_000,
    retryMs: options.retryMs ?? 50,
    inFlightMax: options.inFlightMax ?? 32,
    responseBytesMax: options.responseBytesMax ?? 128 * 1024 * 1024,
  };
}
