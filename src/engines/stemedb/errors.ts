import type { RouteResponse } from '../route.ts';

/** Whether a failed write can still take effect: `not_applied` never does, of `indeterminate` nobody knows. */
export type Outcome = 'not_applied' | 'indeterminate';

/** Every code that the store answers with, and its HTTP status. */
const STATUS = {
  VALIDATION_FAILED: 400,
  TIMESTAMP_AHEAD: 400,
  LSN_AHEAD: 400,
  NOT_FOUND: 404,
  TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  REFERENCE_NOT_FOUND: 422,
  SIGNATURE_INVALID: 422,
  RATE_LIMITED: 429,
  WRITE_INDETERMINATE: 500,
  RECORD_DAMAGED: 500,
  CHECKPOINT_FAILED: 500,
  OVERLOADED: 503,
  DRAINING: 503,
  WAL_FAILED: 503,
  WRITE_TIMEOUT: 504,
  READ_ONLY: 507,
} as const;

export type StemeErrorCode = keyof typeof STATUS;

/** The codes, in the order of their status. */
export const stemeErrorCodes: readonly string[] = Object.keys(STATUS);

/** One thing wrong with an input. */
export interface ErrorDetail {
  /** Where: `object.text`, `assertions.3.confidence`; empty for the whole. */
  readonly path: string;
  readonly expected: string;
  readonly got: string;
}

/** What an error carries besides code and message. */
export interface StemeErrorOptions {
  /** Default `not_applied`, and `indeterminate` for the two codes that say so. */
  readonly outcome?: Outcome;
  /** When trying again makes sense, in milliseconds from now. */
  readonly retryAfterMs?: number;
  readonly details?: readonly ErrorDetail[];
  /** Further plain fields of the error body: `reason`, `lsn`, `segment`. */
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** The store refused or failed. `code` is stable, `status` is the HTTP status, `outcome` what became of the write. */
export class StemeError extends Error {
  override readonly name = 'StemeError';
  readonly code: StemeErrorCode;
  readonly status: number;
  readonly outcome: Outcome;
  readonly retryAfterMs: number | undefined;
  readonly details: readonly ErrorDetail[];
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(code: StemeErrorCode, message: string, options: StemeErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = STATUS[code];
    this.outcome =
      options.outcome ?? (code === 'WRITE_INDETERMINATE' || code === 'WRITE_TIMEOUT' ? 'indeterminate' : 'not_applied');
    this.retryAfterMs = options.retryAfterMs;
    this.details = options.details ?? [];
    this.fields = options.fields ?? {};
  }
}

/** The `error` object of an answer, as plain data. */
export function errorBody(error: StemeError): { error: Record<string, unknown> } {
  return {
    error: {
      code: error.code,
      message: error.message,
      outcome: error.outcome,
      ...(error.retryAfterMs === undefined ? {} : { retry_after_ms: Math.ceil(error.retryAfterMs) }),
      ...(error.details.length === 0 ? {} : { details: error.details }),
      ...error.fields,
    },
  };
}

/** The whole answer; `Retry-After` is in whole seconds, at least one. */
export function errorResponse(error: StemeError): RouteResponse {
  return {
    status: error.status,
    headers:
      error.retryAfterMs === undefined
        ? {}
        : { 'retry-after': String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))) },
    body: errorBody(error),
  };
}
