import { type Address, NetworkError, type NetworkErrorCode } from '../host/network.ts';

const SAME: ReadonlySet<string> = new Set<NetworkErrorCode>([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EADDRINUSE',
  'EADDRNOTAVAIL',
  'EACCES',
  'EPIPE',
  'ECANCELED',
]);

const RENAMED: Readonly<Record<string, NetworkErrorCode>> = {
  ABORT_ERR: 'ECANCELED',
  EAI_AGAIN: 'ENOTFOUND',
  ENETUNREACH: 'EHOSTUNREACH',
  EHOSTDOWN: 'EHOSTUNREACH',
  EPERM: 'EACCES',
  ECONNABORTED: 'ECONNRESET',
};

const TLS = /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|EPROTO)/;

/** A `NetworkError` for whatever Node's sockets fail with; what has no name of its own is a reset. */
export function toNetworkError(error: unknown, operation: string, address: Address): NetworkError {
  if (error instanceof NetworkError) return error;
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  // Membership in the set is what makes the text a code.
  const known = SAME.has(code)
    ? (code as NetworkErrorCode)
    : (RENAMED[code] ?? (TLS.test(code) ? 'ETLS' : 'ECONNRESET'));
  return new NetworkError(known, operation, address, { cause: error });
}
