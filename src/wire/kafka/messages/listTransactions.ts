import {
  array,
  type Decoded,
  type Encodable,
  field,
  int16,
  int64,
  string,
  struct,
  throttleTimeMs,
} from '../schema/types.ts';

export const listTransactionsRequest = struct({
  /** Empty: all. */
  stateFilters: array(string),
  producerIdFilters: array(int64),
  /** Only those open for longer, milliseconds; negative: all. */
  durationFilter: field(int64, { since: 1, default: -1 }),
});

export const listTransactionsResponse = struct({
  throttleTimeMs: throttleTimeMs(0),
  errorCode: int16,
  /** Filters that name no state. */
  unknownStateFilters: field(array(string), { default: [] }),
  transactionStates: array(struct({ transactionalId: string, producerId: int64, transactionState: string })),
});

export type ListTransactionsRequest = Decoded<typeof listTransactionsRequest>;
export type ListTransactionsResponse = Encodable<typeof listTransactionsResponse>;
