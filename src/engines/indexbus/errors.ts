/** Codes of the bus's errors, and the HTTP status that stands for each where it has one. */
export const busErrorStatus = {
  IB_NO_SEGMENT: 404,
  IB_FOREIGN: 500,
  IB_VERSION: 500,
  IB_TRUNCATED: 500,
  IB_CORRUPT: 500,
  IB_RETIRED: 409,
  IB_NO_SPACE: 507,
  IB_NO_DESCRIPTORS: 503,
  IB_NOT_MEMORY: 500,
  IB_NOT_PERMITTED: 403,
  IB_ROUTER_HELD: 409,
  IB_NO_ROUTER: 503,
  IB_NO_SEAT: 503,
  IB_FENCED: 409,
  IB_CLOSED: 409,
  IB_TOO_LARGE: 413,
  IB_TOPICS_FULL: 507,
  IB_UNKNOWN_TOPIC: 404,
  IB_BAD_CONFIG: 422,
  IB_UNSAFE_CHANGE: 409,
  IB_NEEDS_ROLL: 409,
  IB_RESERVED: 409,
  IB_BATCH_TOO_SMALL: 422,
} as const;

export type BusErrorCode = keyof typeof busErrorStatus;

/** What the bus refuses. `expected` and `got` say it in short where a value was wrong. */
export class BusError extends Error {
  override readonly name: string = 'BusError';
  readonly code: BusErrorCode;
  readonly expected: string | undefined;
  readonly got: string | undefined;

  constructor(
    code: BusErrorCode,
    message: string,
    details: { readonly expected?: string; readonly got?: string; readonly cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.expected = details.expected;
    this.got = details.got;
  }
}

/** The seat was taken from its holder. */
export class FencedError extends BusError {
  override readonly name = 'FencedError';
  /** Whether messages of the batch under way may have been routed all the same. */
  readonly maybeRouted: boolean;

  constructor(message: string, maybeRouted: boolean) {
    super('IB_FENCED', message);
    this.maybeRouted = maybeRouted;
  }
}
