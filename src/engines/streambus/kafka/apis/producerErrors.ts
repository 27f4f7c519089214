import { kafkaErrors } from '../../../../wire/kafka/errors.ts';

/** Error 90 in the words of a version that does not know it: 47. `knownFrom`: the first version that does. */
export function fencedError(errorCode: number, version: number, knownFrom: number): number {
  const isUnknown = errorCode === kafkaErrors.PRODUCER_FENCED && version < knownFrom;
  return isUnknown ? kafkaErrors.INVALID_PRODUCER_EPOCH : errorCode;
}
