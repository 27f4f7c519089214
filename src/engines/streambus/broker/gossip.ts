import { type ByteReader, ByteWriter } from '../../../wire/rpc/bytes.ts';
import type { BrokerId, GroupId } from '../ids.ts';

/** Who leads a group, and since which term. */
export interface Leadership {
  readonly broker: BrokerId;
  readonly term: number;
}

/** Who leads which group, as far as this broker has heard: the highest term wins. */
export class LeaderTable {
  readonly #leaders = new Map<GroupId, Leadership>();
  readonly #listeners = new Set<(group: GroupId) => void>();

  get(group: GroupId): Leadership | undefined {
    return this.#leaders.get(group);
  }

  onChange(fn: (group: GroupId) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  /** What was heard, from whomever; an older term says nothing. */
  heard(group: GroupId, term: number, broker: BrokerId): void {
    const known = this.#leaders.get(group);
    if (known !== undefined && (known.term > term || (known.term === term && known.broker === broker))) return;
    this.#leaders.set(group, { broker, term });
    this.changed(group);
  }

  forget(group: GroupId): void {
    if (this.#leaders.delete(group)) this.changed(group);
  }

  /** Tells those who listen: also when what a local replica knows has changed. */
  changed(group: GroupId): void {
    for (const fn of this.#listeners) fn(group);
  }
}

/** What a broker tells the others of itself. */
export interface Gossip {
  /** It wants no leads: it is being stopped, or takes no writes. */
  readonly yields: boolean;
  /** Groups that it leads, with their terms; not always all of them. */
  readonly led: Iterable<{ readonly group: GroupId; readonly term: number }>;
  /** All groups whose replicas here have no vote: no lead can be given to them. */
  readonly probation: readonly GroupId[];
}

export function encodeGossip({ yields, led }: Omit<Gossip, 'probation'>): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(yields ? 1 : 0);
  for (const { group, term } of led) {
    writer.u32(group);
    writer.u32(term);
  }
  return writer.copyOut();
}

/** Reads what another broker told. Throws `MalformedBytes`. */
export function readGossip(
  reader: ByteReader,
  take: { yields(yields: boolean): void; leads(group: GroupId, term: number): void },
): void {
  take.yields(reader.u8() === 1);
  while (reader.left > 0) {
    const group = reader.u32();
    take.leads(group, reader.u32());
  }
}
