import type { Clock, Millis, Timer } from '../../host/clock.ts';
import type { Journal, JournalErrorCode, ReadOnlyReason } from '../../storage/journal/index.ts';
import { JournalError } from '../../storage/journal/index.ts';
import { StemeError } from './errors.ts';
import { RateLimiter } from './rateLimit.ts';

/** Endpoints that may have a rate of their own. */
export const ENDPOINTS = ['assert', 'batch', 'vote', 'epoch', 'query', 'admin'] as const;
export type Endpoint = (typeof ENDPOINTS)[number];

/** Lowest and highest rate that may be set. */
export const RATE_RANGE = { low: 1, high: 1_000_000 } as const;

/** How long to wait before trying again when the log's queue is full: about what a slow disk needs to empty it. */
const OVERLOADED_RETRY_MS = 1_000;

/** A limit that an operator set while the store runs; it ends with the process, or before. */
export interface RateLimit {
  /** Records a second, 1 to 1,000,000; null: none. */
  readonly maxWritesPerSec: number | null;
  /** After this the configured limit is back; without it the limit stays. */
  readonly durationMs?: Millis;
}

export interface RateLimitStatus {
  readonly maxWritesPerSec: number | null;
  readonly configured: number | null;
  /** Milliseconds until the configured limit is back. */
  readonly expiresInMs: Millis | undefined;
}

export interface AdmissionOptions {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly refusesWrites: () => boolean;
  /** Planted bug `limit-by-request`: a batch counts as one. */
  readonly countsRequests: boolean;
}

/** What may enter: drain, state of the log, rate; in this order. The log itself refuses what its queue cannot hold. */
export class Admission {
  readonly #options: AdmissionOptions;
  #configured: number | undefined;
  #writes: RateLimiter | undefined;
  #expiry: { readonly at: Millis; readonly timer: Timer } | undefined;
  #endpoints = new Map<Endpoint, RateLimiter>();

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Takes the limits of the configuration. A limit that an operator set stays in force over it. */
  configure(
    maxWritesPerSec: number | undefined,
    endpoints: Readonly<Partial<Record<Endpoint, number | undefined>>>,
  ): void {
    const overridden = this.#writes?.perSecond !== this.#configured;
    this.#configured = maxWritesPerSec;
    if (!overridden) this.#setRate(maxWritesPerSec);
    for (const endpoint of ENDPOINTS) {
      const perSecond = endpoints[endpoint];
      if (perSecond === undefined) this.#endpoints.delete(endpoint);
      else if (this.#endpoints.get(endpoint)?.perSecond !== perSecond)
        this.#endpoints.set(endpoint, new RateLimiter(perSecond));
    }
  }

  /** Sets a limit for the life of the process or a while; undefined: back to the configuration's. */
  limit(limit: RateLimit | undefined): void {
    this.#expiry?.timer.cancel();
    this.#expiry = undefined;
    this.#setRate(limit === undefined ? this.#configured : (limit.maxWritesPerSec ?? undefined));
    if (limit?.durationMs === undefined) return;
    const { clock } = this.#options;
    const timer = clock.timer(limit.durationMs, () => this.limit(undefined));
    this.#expiry = { at: clock.now() + limit.durationMs, timer };
  }

  status(): RateLimitStatus {
    return {
      maxWritesPerSec: this.#writes?.perSecond ?? null,
      configured: this.#configured ?? null,
      expiresInMs: this.#expiry === undefined ? undefined : Math.max(0, this.#expiry.at - this.#options.clock.now()),
    };
  }

  /** Counts a request against its endpoint's rate. @throws StemeError RATE_LIMITED */
  request(endpoint: Endpoint): void {
    const limiter = this.#endpoints.get(endpoint);
    if (limiter === undefined) return;
    const { admitted, retryAfterMs } = limiter.admit(this.#options.clock.now(), 1, true);
    if (admitted === 0) throw rateLimited(`${limiter.perSecond} requests a second at this endpoint`, retryAfterMs);
  }

  /**
   * Lets `records` in: returns how many, all of them with `whole`. At least one, or it throws.
   *
   * @throws StemeError DRAINING, WAL_FAILED, READ_ONLY, RATE_LIMITED; TOO_LARGE for a whole that no second has room for
   */
  write(records: number, whole: boolean): { readonly admitted: number; readonly refusal: StemeError | undefined } {
    this.checkOpen();
    if (this.#writes === undefined) return { admitted: records, refusal: undefined };
    const { clock, countsRequests } = this.#options;
    if (countsRequests) {
      const { admitted, retryAfterMs } = this.#writes.admit(clock.now(), 1, true);
      if (admitted === 0) throw rateLimited(`${this.#writes.perSecond} records a second`, retryAfterMs);
      return { admitted: records, refusal: undefined };
    }
    const { perSecond } = this.#writes;
    if (whole && records > perSecond) {
      const message = `expected an atomic batch of at most ${perSecond} records, which is the limit of a second now, got ${records}: send it in parts, or without atomic`;
      throw new StemeError('TOO_LARGE', message);
    }
    const { admitted, retryAfterMs } = this.#writes.admit(clock.now(), records, whole);
    if (admitted === records) return { admitted, refusal: undefined };
    const refusal = rateLimited(`${this.#writes.perSecond} records a second`, retryAfterMs);
    if (admitted === 0) throw refusal;
    return { admitted, refusal };
  }

  /** @throws StemeError when no write can be taken now, whatever its rate */
  checkOpen(): void {
    const { journal, refusesWrites } = this.#options;
    if (refusesWrites()) throw new StemeError('DRAINING', 'this node is draining: send writes to another one');
    if (journal.state === 'open') return;
    const { why, readOnlyReasons } = journal.status();
    throw refusalOf(CODES[journal.state], why, readOnlyReasons[0]);
  }

  close(): void {
    this.#expiry?.timer.cancel();
  }

  #setRate(perSecond: number | undefined): void {
    if (perSecond === this.#writes?.perSecond) return;
    this.#writes = perSecond === undefined ? undefined : new RateLimiter(perSecond);
  }
}

const CODES = {
  'read-only': 'JournalReadOnly',
  failed: 'JournalFailed',
  damaged: 'JournalDamaged',
  closed: 'JournalClosed',
} as const satisfies Record<Exclude<Journal['state'], 'open'>, JournalErrorCode>;

/** What a journal's refusal of an append is to a client. Anything but a JournalError is a defect and comes back as it is. */
export function appendRefusal(error: unknown): unknown {
  return error instanceof JournalError ? refusalOf(error.code, error.message, error.reason, error) : error;
}

/** What the failure of a submitted append is to a client. */
export function writeFailure(error: unknown): unknown {
  if (!(error instanceof JournalError) || error.outcome === 'not_applied') return appendRefusal(error);
  return new StemeError(
    'WRITE_INDETERMINATE',
    `the write may or may not be there after the next start: ${error.message}; sending it again is safe`,
    { cause: error },
  );
}

function refusalOf(
  code: JournalErrorCode,
  why: string,
  reason: ReadOnlyReason | undefined,
  cause?: unknown,
): StemeError {
  switch (code) {
    case 'JournalReadOnly':
      return new StemeError('READ_ONLY', `the log takes no writes: ${why}`, {
        fields: { reason: reason ?? 'operator' },
        cause,
      });
    case 'JournalFull':
      return new StemeError('OVERLOADED', `more is waiting for the disk than may: ${why}`, {
        retryAfterMs: OVERLOADED_RETRY_MS,
        cause,
      });
    case 'RecordTooLarge':
      return new StemeError('TOO_LARGE', why, { cause });
    default:
      return new StemeError('WAL_FAILED', `the log takes no writes until a restart: ${why}`, { cause });
  }
}

function rateLimited(limit: string, retryAfterMs: Millis): StemeError {
  return new StemeError('RATE_LIMITED', `over the limit of ${limit}`, { retryAfterMs });
}
