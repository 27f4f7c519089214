import type { BusEvent, MessageName } from '../../../src/checkers/indexbus/events.ts';

/** A message of producer 0. */
export function message(sequence: number): MessageName {
  return { producer: 0, sequence };
}

export function published(sequence: number, key = 0): BusEvent {
  return { event: 'published', ...message(sequence), topic: 0, key, byteLength: 8, checksum: 100 + sequence };
}

export function accepted(through: number): BusEvent {
  return { event: 'publish-accepted', producer: 0, through };
}

/** A message that was published, and the call answered so. */
export function sent(sequence: number, key = 0): BusEvent[] {
  return [published(sequence, key), accepted(sequence + 1)];
}

export function taken(sequence: number, lanes: readonly number[], groups: readonly number[] = []): BusEvent {
  return { event: 'taken', ...message(sequence), lanes, groups };
}

export function placed(sequence: number, lane: number, requeued = false, redelivered = false): BusEvent {
  return { event: 'placed', ...message(sequence), lane, requeued, redelivered };
}

export function received(sequence: number, lane: number, redelivered = false): BusEvent[] {
  return [
    { event: 'claimed', ...message(sequence), lane },
    {
      event: 'received',
      ...message(sequence),
      lane,
      requeued: false,
      redelivered,
      byteLength: 8,
      checksum: 100 + sequence,
    },
  ];
}

export function opened(lane: number, group?: number, keyed = false): BusEvent {
  return { event: 'lane-opened', lane, seat: lane, epoch: 1, group, keyed, blocking: false };
}

export function committed(depth: number): BusEvent {
  return {
    event: 'committed',
    lanes: [{ lane: 1, depth, capacity: 4, creditLimit: 3 }],
    spare: [{ producer: 0, slots: 5, atLeast: 4 }],
  };
}

interface Counts {
  sent: number;
  taken: number;
  noRoute: number;
  depth: number;
  newest: number;
  oldest: number;
  detached: number;
  delivered: number;
  recv: number;
}

/** What the bus tells of producer 0 and lane 1. */
export function told(counts: Partial<Counts>): BusEvent {
  const { sent = 0, taken: count = 0, noRoute = 0, depth = 0, newest = 0, oldest = 0, detached = 0 } = counts;
  const none = { pool: 0, noCredit: 0, allFull: 0, requeuedIn: 0, requeuedOut: 0, redelivered: 0 };
  return {
    event: 'told',
    producers: [{ producer: 0, sent, taken: count, noRoute }],
    lanes: [{ lane: 1, depth, delivered: counts.delivered, recv: counts.recv, newest, oldest, detached, ...none }],
    groups: [],
  };
}

/** A cut of producer 0 and lane 1. */
export function cut(
  counts: Partial<
    Omit<Counts, 'sent' | 'depth' | 'detached' | 'delivered' | 'recv'> & { came: number; allFull: number }
  >,
): BusEvent {
  const { taken: count = 0, noRoute = 0, came = 0, newest = 0, oldest = 0, allFull = 0 } = counts;
  const none = { pool: 0, noCredit: 0, requeuedIn: 0, requeuedOut: 0, redelivered: 0 };
  return {
    event: 'cut',
    producers: [{ producer: 0, taken: count, noRoute }],
    lanes: [{ lane: 1, came, newest, oldest, allFull, ...none }],
    groups: { noCredit: 0, allFull: 0 },
  };
}

/** Five messages: 0 and 1 received, 2 refused, 3 evicted, 4 wanted by nobody. */
export function goodHistory(): BusEvent[] {
  return [
    { event: 'router-began', router: 0 },
    { event: 'producer-opened', producer: 0, seat: 0, epoch: 1 },
    opened(1),
    ...[0, 1, 2, 3, 4].flatMap((sequence) => sent(sequence)),
    { event: 'publish-refused', producer: 0 },
    { event: 'flushed', producer: 0, through: 5 },
    taken(0, [1]),
    placed(0, 1),
    taken(1, [1]),
    placed(1, 1),
    taken(2, [1]),
    { event: 'router-wrote', router: 0 },
    committed(2),
    cut({ taken: 3, came: 2, newest: 1 }),
    told({ sent: 5, taken: 3, depth: 2, newest: 1, delivered: 2, recv: 0 }),
    ...received(0, 1),
    ...received(1, 1),
    { event: 'looked-again', ...message(1), lane: 1, checksum: 101 },
    taken(3, [1]),
    placed(3, 1),
    taken(4, []),
    committed(1),
    { event: 'evicted', ...message(3), lane: 1 },
    told({ sent: 5, taken: 5, noRoute: 1, newest: 1, oldest: 1, delivered: 3, recv: 2 }),
    cut({ taken: 5, noRoute: 1, came: 3, newest: 1, oldest: 1 }),
    { event: 'through', lane: 1 },
    { event: 'lane-over', lane: 1, proven: false },
    { event: 'seat-freed', kind: 'lane', seat: 1, epoch: 1 },
    {
      event: 'slots',
      quiet: true,
      places: [{ producer: 0, slots: 2, home: [0], reserved: [], source: [], lanes: [], returning: [1] }],
    },
    { event: 'recovered', differing: [] },
    { event: 'waited', what: 'receive', who: 1, took: 1, bound: 2 },
    { event: 'router-over', router: 0 },
  ];
}
