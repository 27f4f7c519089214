import type { Method } from '../../engines/route.ts';
import type { Host } from '../../host/host.ts';
import type { Address } from '../../host/network.ts';

/** A request of a client. */
export interface ClientRequest {
  readonly method: Method;
  /** With the query string. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A string or bytes go out as they are; anything else as JSON, with its content type. */
  readonly body?: unknown;
  /** From the call to the last byte of the answer, connecting included. Default the client's. */
  readonly timeoutMs?: number;
}

/**
 * What a client knows after a call. `ok`: status below 400. `fail`: the operation did not happen and never will.
 * `info`: nobody knows.
 */
export type ClientResult =
  | {
      readonly outcome: 'ok';
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: unknown;
    }
  | {
      readonly outcome: 'fail' | 'info';
      /** The engine's code, else the network's: `ECONNREFUSED`, `ECONNRESET`, `CLIENT_TIMEOUT`. */
      readonly code: string;
      readonly message: string;
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: unknown;
    };

/** A client of one node's routes. It keeps one connection and makes a new one when that broke. One call at a time waits for the other. */
export interface RouteClient {
  readonly node: string;
  /** Never rejects: a broken network is an outcome. JSON answers come parsed, others as text. */
  call(request: ClientRequest): Promise<ClientResult>;
  /** Drops the connection. */
  close(): void;
}
