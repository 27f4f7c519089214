import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import type { BatchHeader } from '../../../wire/kafka/recordBatch.ts';
import { lastSequenceOf, nextSequenceOf } from './batchRules.ts';
import { lastOffsetOf } from './batchView.ts';

/** Batches of a producer that are remembered: a client has at most this many in flight (KIP-98, KAFKA-5494). */
export const rememberedBatches = 5;
/** Producers whose state a partition keeps. At it the oldest idle ones expire. */
export const maxProducers = 100_000;

/** A batch as repeats are recognized by. */
export interface RememberedBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
}

/** What a partition knows of one producer: a fold of its log. Never changed in place: a new one replaces it. */
export interface ProducerState {
  readonly producerId: number;
  readonly epoch: number;
  /** Of the last marker; -1 before the first. */
  readonly coordinatorEpoch: number;
  /** The last five of this epoch, oldest first; empty after a marker of a new epoch. */
  readonly batches: readonly RememberedBatch[];
  readonly lastTimestamp: number;
  /** Of its newest batch or marker. */
  readonly lastOffset: number;
  /** Where its open transaction begins; -1 without one. */
  readonly transactionStart: number;
}

/** What becomes of a batch with a sequence. */
export type SequenceVerdict =
  | { readonly kind: 'append' }
  | { readonly kind: 'repeat'; readonly baseOffset: number }
  | { readonly kind: 'refused'; readonly errorCode: number; readonly message: string };

const append: SequenceVerdict = { kind: 'append' };

/**
 * Judges a batch of an idempotent producer by what is known of it (KIP-98): an unknown producer may begin anywhere, a new epoch
 * begins at 0, a repeat of one of the last `window` batches is recognized, everything else must continue the sequence.
 */
export function judgeSequence(
  state: ProducerState | undefined,
  header: BatchHeader,
  window: number = rememberedBatches,
): SequenceVerdict {
  if (state === undefined) return append;
  const first = header.baseSequence;
  if (header.producerEpoch < state.epoch) {
    return {
      kind: 'refused',
      errorCode: kafkaErrors.INVALID_PRODUCER_EPOCH,
      message: `producer ${header.producerId} has epoch ${state.epoch} by now, the batch has ${header.producerEpoch}`,
    };
  }
  if (header.producerEpoch > state.epoch) return first === 0 ? append : gap(header, 0);
  const last = lastSequenceOf(first, header.lastOffsetDelta);
  for (let n = state.batches.length - 1; n >= Math.max(0, state.batches.length - window); n--) {
    const batch = state.batches[n];
    if (batch !== undefined && batch.firstSequence === first && batch.lastSequence === last) {
      return { kind: 'repeat', baseOffset: batch.baseOffset };
    }
  }
  const newest = state.batches.at(-1);
  const expected = newest === undefined ? 0 : nextSequenceOf(newest.lastSequence);
  return first === expected ? append : gap(header, expected);
}

function gap(header: BatchHeader, expected: number): SequenceVerdict {
  return {
    kind: 'refused',
    errorCode: kafkaErrors.OUT_OF_ORDER_SEQUENCE_NUMBER,
    message: `producer ${header.producerId} must go on with sequence ${expected}, the batch begins at ${header.baseSequence}`,
  };
}

/** The state after a batch of records. `header` has its final offsets. */
export function afterBatch(
  state: ProducerState | undefined,
  header: BatchHeader,
  transactional: boolean,
): ProducerState {
  const batch = {
    firstSequence: header.baseSequence,
    lastSequence: lastSequenceOf(header.baseSequence, header.lastOffsetDelta),
    baseOffset: header.baseOffset,
  };
  const known = state !== undefined && state.epoch === header.producerEpoch ? state.batches : [];
  const open = state?.transactionStart ?? -1;
  return {
    producerId: header.producerId,
    epoch: header.producerEpoch,
    coordinatorEpoch: state?.coordinatorEpoch ?? -1,
    batches: known.length < rememberedBatches ? [...known, batch] : [...known.slice(1 - rememberedBatches), batch],
    lastTimestamp: header.maxTimestamp,
    lastOffset: lastOffsetOf(header),
    transactionStart: open >= 0 ? open : transactional ? header.baseOffset : -1,
  };
}

/** What counts of a marker's header. */
export type MarkerFields = Pick<
  BatchHeader,
  'baseOffset' | 'lastOffsetDelta' | 'producerId' | 'producerEpoch' | 'maxTimestamp'
>;

/** The state after a marker: the transaction is over; a marker of a new epoch fences the older one (KIP-890). */
export function afterMarker(
  state: ProducerState | undefined,
  header: MarkerFields,
  coordinatorEpoch: number,
): ProducerState {
  return {
    producerId: header.producerId,
    epoch: header.producerEpoch,
    coordinatorEpoch,
    batches: state !== undefined && state.epoch === header.producerEpoch ? state.batches : [],
    lastTimestamp: header.maxTimestamp,
    lastOffset: lastOffsetOf(header),
    transactionStart: -1,
  };
}
