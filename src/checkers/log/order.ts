import type { Operation } from '../history.ts';
import { type LogOperation, type LogValue, type Polled, polledOf, type Sent, sentOf } from './operations.ts';

/** What a whole history knows of one key: which value stands at which offset. */
export interface KeyOrder {
  readonly key: string;
  /** Offsets that anybody was told of, ascending. Transactions leave gaps (their markers), so neighbours here are neighbours. */
  readonly offsets: readonly number[];
  /** Position of an offset in `offsets`. */
  readonly rankOf: ReadonlyMap<number, number>;
  /** Values that were seen at an offset; more than one is an anomaly. */
  readonly valuesAt: ReadonlyMap<number, ReadonlySet<LogValue>>;
  /** Offsets at which a value was seen; more than one is an anomaly. */
  readonly offsetsOf: ReadonlyMap<LogValue, ReadonlySet<number>>;
  readonly sent: readonly Sent[];
  readonly polled: readonly Polled[];
  /** Values that a poll which was answered `ok` gave. */
  readonly seen: ReadonlySet<LogValue>;
  /** Highest rank that such a poll reached, a value at several offsets counting by its first; -1 if there was none. */
  readonly highestSeen: number;
  /** Operations that took effect: answered `ok`, or in doubt with a value that such a poll gave. */
  readonly committed: ReadonlySet<Operation>;
}

interface Gathering {
  readonly sent: Sent[];
  readonly polled: Polled[];
  readonly valuesAt: Map<number, Set<LogValue>>;
  readonly offsetsOf: Map<LogValue, Set<number>>;
  readonly seen: Set<LogValue>;
}

/**
 * Puts together, key by key, what all clients were told of offsets. Polls count whatever became of their transaction: what is polled is
 * committed. Sends count once they are known to have taken effect.
 */
export function orderOf(operations: readonly LogOperation[]): ReadonlyMap<string, KeyOrder> {
  const keys = new Map<string, Gathering>();
  const keyOf = (key: string): Gathering => {
    let gathering = keys.get(key);
    if (gathering === undefined) {
      gathering = { sent: [], polled: [], valuesAt: new Map(), offsetsOf: new Map(), seen: new Set() };
      keys.set(key, gathering);
    }
    return gathering;
  };
  for (const operation of operations) {
    for (const polled of polledOf(operation)) {
      const gathering = keyOf(polled.key);
      gathering.polled.push(polled);
      for (const { offset, value } of polled.records) {
        place(gathering, offset, value);
        if (operation.operation.outcome === 'ok') gathering.seen.add(value);
      }
    }
  }
  const committed = new Set<Operation>();
  for (const one of operations) {
    const sends = sentOf(one);
    const { outcome } = one.operation;
    const isProven = outcome === 'info' && sends.some(({ key, value }) => keys.get(key)?.seen.has(value) === true);
    if (outcome === 'ok' || isProven) committed.add(one.operation);
    for (const sent of sends) {
      const gathering = keyOf(sent.key);
      gathering.sent.push(sent);
      if (sent.offset !== undefined && committed.has(one.operation)) place(gathering, sent.offset, sent.value);
    }
  }
  return new Map([...keys].map(([key, gathering]) => [key, finish(key, gathering, committed)]));
}

function place({ valuesAt, offsetsOf }: Gathering, offset: number, value: LogValue): void {
  addTo(valuesAt, offset, value);
  addTo(offsetsOf, value, offset);
}

function addTo<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, new Set([value]));
  else values.add(value);
}

function finish(key: string, gathering: Gathering, committed: ReadonlySet<Operation>): KeyOrder {
  const offsets = [...gathering.valuesAt.keys()].sort((a, b) => a - b);
  const rankOf = new Map(offsets.map((offset, rank) => [offset, rank]));
  let highestSeen = -1;
  for (const value of gathering.seen) {
    const first = Math.min(...(gathering.offsetsOf.get(value) ?? []));
    highestSeen = Math.max(highestSeen, rankOf.get(first) ?? -1);
  }
  return { key, offsets, rankOf, highestSeen, committed, ...gathering };
}
