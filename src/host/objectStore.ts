/** What an object store can fail with. `unavailable` and `slow-down` are worth a retry; the others are not. */
export type ObjectStoreErrorCode =
  | 'not-found'
  | 'denied'
  | 'unavailable'
  | 'slow-down'
  | 'corrupt'
  | 'no-space'
  | 'invalid';

/** An operation on an object store failed. */
export class ObjectStoreError extends Error {
  override readonly name = 'ObjectStoreError';
  readonly code: ObjectStoreErrorCode;
  readonly key: string;

  constructor(
    code: ObjectStoreErrorCode,
    operation: string,
    key: string,
    options?: { detail?: string; cause?: unknown },
  ) {
    super(
      `${operation} ${key}: ${code}${options?.detail === undefined ? '' : ` (${options.detail})`}`,
      options?.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.key = key;
  }
}

export interface ObjectInformation {
  readonly key: string;
  readonly bytes: number;
}

/**
 * Objects by key, as S3 offers them. Keys are `/`-separated, without a leading slash, at most 1,024 bytes. An object is
 * there whole or not at all; putting a key again replaces it. Every method rejects with `ObjectStoreError`.
 */
export interface ObjectStore {
  put(key: string, body: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** The object, or bytes `from` (included) to `to` (excluded) of it. `not-found` if it is missing. */
  get(key: string, range?: { from: number; to: number }, signal?: AbortSignal): Promise<Uint8Array>;
  /** Undefined if it is missing. */
  head(key: string, signal?: AbortSignal): Promise<ObjectInformation | undefined>;
  /** Every object whose key begins with the prefix, by ascending key. */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectInformation>;
  /** No error if it is missing. */
  remove(key: string, signal?: AbortSignal): Promise<void>;
}
