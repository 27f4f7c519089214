import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import type { BatchHeader } from '../../../wire/kafka/recordBatch.ts';
import { lastSequenceOf, nextSequenceOf } from './batchRules.ts';
import { lastOffsetOf } from './batchView.ts';

/** Batches of a producer that are remembered: a client has at most this many in flight (KIP-98, KAFKA-5494). */
export const rememberedBatches = 5;
/** Producers whose state a partition keeps. At it the oldest idle ones expire. */
export const maxProducers = 100_000;

/** Numbers of a batch in `ProducerState.recent`: first sequence, last sequence, base offset. */
export const numbersEach = 3;

/** What a partition knows of one producer: a fold of its log. Never changed in place: a new one replaces it. */
export interface ProducerState {
  readonly producerId: number;
  readonly epoch: number;
  /** Of the last marker; -1 before the first. */
  readonly coordinatorEpoch: number;
  /**
   * The last five batches of this epoch, oldest first, `numbersEach` numbers each; empty after a marker of a new epoch. Numbers one
   * after the other, since there may be 100,000 producers.
   */
  readonly recent: readonly number[];
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
  const { recent } = state;
  const oldest = Math.max(0, recent.length - window * numbersEach);
  for (let at = recent.length - numbersEach; at >= oldest; at -= numbersEach) {
    // `at + 2` is inside: the list has whole triples.
    if (recent[at] === first && recent[at + 1] === last)
      return { kind: 'repeat', baseOffset: recent[at + 2] as number };
  }
  const newest = lastSequenceKnown(state);
  const expected = newest === undefined ? 0 : nextSequenceOf(newest);
  return first === expected ? append : gap(header, expected);
}

/** Sequence of the newest record of this epoch; undefined before the first. */
export function lastSequenceKnown(state: ProducerState): number | undefined {
  return state.recent.at(1 - numbersEach);
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
  const known = state !== undefined && state.epoch === header.producerEpoch ? state.recent : [];
  const kept = known.length < rememberedBatches * numbersEach ? known : known.slice(numbersEach);
  const open = state?.transactionStart ?? -1;
  return {
    producerId: header.producerId,
    epoch: header.producerEpoch,
    coordinatorEpoch: state?.coordinatorEpoch ?? -1,
    recent: [
      ...kept,
      header.baseSequence,
      lastSequenceOf(header.baseSequence, header.lastOffsetDelta),
      header.baseOffset,
    ],
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
    recent: state !== undefined && state.epoch === header.producerEpoch ? state.recent : [],
    lastTimestamp: header.maxTimestamp,
    lastOffset: lastOffsetOf(header),
    transactionStart: -1,
  };
}
