import { kafkaErrorName, kafkaErrors } from '../../../wire/kafka/errors.ts';

/**
 * What a failed operation leaves behind. `definite`: it had no effect and will have none. `indeterminate`: it may have taken
 * effect, or still will.
 */
export type Outcome = 'definite' | 'indeterminate';

/**
 * - `KAFKA`: the broker answered with an error number
 * - `CONNECTION`: no connection, or it broke
 * - `TIMEOUT`: no answer in time
 * - `PROTOCOL`: an answer that cannot be read
 * - `UNSUPPORTED`: no version that both sides speak
 * - `AUTHENTICATION`: SASL was refused
 * - `STATE`: the call does not fit what came before it
 * - `CLOSED`: the client was closed
 */
export type ClientErrorCode =
  | 'KAFKA'
  | 'CONNECTION'
  | 'TIMEOUT'
  | 'PROTOCOL'
  | 'UNSUPPORTED'
  | 'AUTHENTICATION'
  | 'STATE'
  | 'CLOSED';

/** An operation of the client failed. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: ClientErrorCode;
  readonly outcome: Outcome;
  /** Kafka's error number, when the broker gave one. */
  readonly errorNumber: number | undefined;

  constructor(code: ClientErrorCode, outcome: Outcome, message: string, errorNumber?: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.outcome = outcome;
    this.errorNumber = errorNumber;
  }

  /** The same failure, after an earlier attempt left open whether it took effect. */
  asIndeterminate(): ClientError {
    if (this.outcome === 'indeterminate') return this;
    return new ClientError(
      this.code,
      'indeterminate',
      `${this.message} (an earlier attempt may have worked)`,
      this.errorNumber,
      this,
    );
  }
}

/** What an operation does, as far as error numbers mean different things. */
export type OperationKind = 'produce' | 'coordinate' | 'administer' | 'read';

const e = kafkaErrors;

/** After these a batch may be in the log (contract 4.6: after an append only 7 or 20); 46 says that it is, 56 that a disk failed. */
const openAfterProduce: ReadonlySet<number> = new Set([
  e.UNKNOWN_SERVER_ERROR,
  e.REQUEST_TIMED_OUT,
  e.NETWORK_EXCEPTION,
  e.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  e.DUPLICATE_SEQUENCE_NUMBER,
  e.KAFKA_STORAGE_ERROR,
]);

/** A coordinator or controller that lost its lead while its entry was under way answers with one of these. */
const openAfterEntry: ReadonlySet<number> = new Set([
  e.UNKNOWN_SERVER_ERROR,
  e.REQUEST_TIMED_OUT,
  e.NETWORK_EXCEPTION,
  e.COORDINATOR_NOT_AVAILABLE,
  e.NOT_COORDINATOR,
  e.NOT_CONTROLLER,
  e.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  e.KAFKA_STORAGE_ERROR,
]);

/** Whether an error number leaves open that the operation took effect. */
export function outcomeOf(kind: OperationKind, errorNumber: number): Outcome {
  if (kind === 'read') return 'definite';
  return (kind === 'produce' ? openAfterProduce : openAfterEntry).has(errorNumber) ? 'indeterminate' : 'definite';
}

/** The error of an answer with an error number. */
export function kafkaError(
  kind: OperationKind,
  what: string,
  errorNumber: number,
  message?: string | null,
): ClientError {
  const detail = message === undefined || message === null || message === '' ? '' : `: ${message}`;
  const name = kafkaErrorName(errorNumber);
  return new ClientError(
    'KAFKA',
    outcomeOf(kind, errorNumber),
    `${what}: ${errorNumber} ${name}${detail}`,
    errorNumber,
  );
}

/** Numbers after which the same request may succeed, once the metadata is fresh or some time has passed. */
const retriable: ReadonlySet<number> = new Set([
  e.CORRUPT_MESSAGE,
  e.UNKNOWN_TOPIC_OR_PARTITION,
  e.LEADER_NOT_AVAILABLE,
  e.NOT_LEADER_OR_FOLLOWER,
  e.REQUEST_TIMED_OUT,
  e.BROKER_NOT_AVAILABLE,
  e.REPLICA_NOT_AVAILABLE,
  e.NETWORK_EXCEPTION,
  e.COORDINATOR_LOAD_IN_PROGRESS,
  e.COORDINATOR_NOT_AVAILABLE,
  e.NOT_COORDINATOR,
  e.NOT_ENOUGH_REPLICAS,
  e.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  e.NOT_CONTROLLER,
  e.CONCURRENT_TRANSACTIONS,
  e.KAFKA_STORAGE_ERROR,
  e.LISTENER_NOT_FOUND,
  e.FENCED_LEADER_EPOCH,
  e.UNKNOWN_LEADER_EPOCH,
  e.OFFSET_NOT_AVAILABLE,
  e.UNSTABLE_OFFSET_COMMIT,
  e.THROTTLING_QUOTA_EXCEEDED,
  e.UNKNOWN_TOPIC_ID,
]);

/** Whether trying again makes sense. */
export function isRetriable(error: unknown): boolean {
  if (!(error instanceof ClientError)) return false;
  if (error.code === 'KAFKA') return error.errorNumber !== undefined && retriable.has(error.errorNumber);
  return error.code === 'CONNECTION' || error.code === 'TIMEOUT';
}
