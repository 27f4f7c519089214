import type { Operation } from '../history.ts';
import { isTransaction, type LogValue, type Polled, polledOf, type Sent, sentOf } from './operations.ts';

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
  /** Values that somebody polled. */
  readonly seen: ReadonlySet<LogValue>;
  /** Highest rank that somebody polled; -1 if nobody did. */
  readonly highestSeen: number;
}

interface Gathering {
  readonly sent: Sent[];
  readonly polled: Polled[];
  readonly valuesAt: Map<number, Set<LogValue>>;
  readonly offsetsOf: Map<LogValue, Set<number>>;
  readonly seen: Set<LogValue>;
}

/** Puts together, key by key, what all clients were told of offsets. */
export function orderOf(operations: readonly Operation[]): ReadonlyMap<string, KeyOrder> {
  const keys = new Map<string, Gathering>();
  const keyOf = (key: string): Gathering => {
    let gathering = keys.get(key);
    if (gathering === undefined) {
      gathering = { sent: [], polled: [], valuesAt: new Map(), offsetsOf: new Map(), seen: new Set() };
      keys.set(key, gathering);
    }
    return gathering;
  };
  for (const operation of operations.filter(isTransaction)) {
    for (const sent of sentOf(operation)) {
      const gathering = keyOf(sent.key);
      gathering.sent.push(sent);
      if (sent.offset !== undefined && operation.outcome === 'ok') place(gathering, sent.offset, sent.value);
    }
    for (const polled of polledOf(operation)) {
      const gathering = keyOf(polled.key);
      gathering.polled.push(polled);
      for (const { offset, value } of polled.records) {
        place(gathering, offset, value);
        gathering.seen.add(value);
      }
    }
  }
  return new Map([...keys].map(([key, gathering]) => [key, finish(key, gathering)]));
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

function finish(key: string, gathering: Gathering): KeyOrder {
  const offsets = [...gathering.valuesAt.keys()].sort((a, b) => a - b);
  const rankOf = new Map(offsets.map((offset, rank) => [offset, rank]));
  const ranks = gathering.polled.flatMap(({ records }) => records.map(({ offset }) => rankOf.get(offset) ?? -1));
  const highestSeen = ranks.reduce((highest, rank) => Math.max(highest, rank), -1);
  return { key, offsets, rankOf, highestSeen, ...gathering };
}
