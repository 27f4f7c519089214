import { BusError, FencedError } from './errors.ts';

/**
 * What publishing is refused with. The errors are made here and not where they are thrown: the compiler draws the hot path into its callers, as far as that is
 * short.
 */

export function fencedError(maybeRouted: boolean): FencedError {
  return new FencedError('the seat was taken from this producer: open another', maybeRouted);
}

export function reservedAlready(bytes: number): BusError {
  return new BusError('IB_RESERVED', 'a slot is reserved already: commit it first', {
    expected: 'no open reservation',
    got: `one of ${bytes} bytes`,
  });
}

export function notReserved(): BusError {
  return new BusError('IB_RESERVED', 'no slot is reserved: call reserve first');
}

export function notThere(from: number, count: number, length: number): BusError {
  return new BusError('IB_BAD_CONFIG', 'the words to publish are not all there', {
    expected: `whole numbers, up to ${length} words`,
    got: `${count} words from ${from}`,
  });
}

export function longerThanReserved(bytes: number, reserved: number): BusError {
  return new BusError('IB_TOO_LARGE', 'the commit is longer than what was reserved', {
    expected: `0 to ${reserved} bytes`,
    got: `${bytes} bytes`,
  });
}

export function tooLarge(bytes: number, most: number): BusError {
  return new BusError(
    'IB_TOO_LARGE',
    'the payload does not fit into a slot: roll the segment with a greater slot_bytes',
    {
      expected: `0 to ${most} bytes`,
      got: `${bytes} bytes`,
    },
  );
}

export function unknownTopicNumber(topic: number, topics: number): BusError {
  return new BusError('IB_UNKNOWN_TOPIC', 'no topic has this number: ask the bus for the topic by its name', {
    expected: `0 to ${topics - 1}`,
    got: String(topic),
  });
}
