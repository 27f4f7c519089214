import type { BrokerId } from '../ids.ts';

/** A broker that can be given replicas, and what it has. */
export interface PlacementBroker {
  readonly broker: BrokerId;
  readonly rack: string | undefined;
}

/** How much each broker carries; placements add to it. */
export class Load {
  readonly #replicas = new Map<BrokerId, number>();
  readonly #leaders = new Map<BrokerId, number>();

  /** Counts a group that is there. */
  add(replicas: readonly BrokerId[]): void {
    for (const broker of replicas) this.#replicas.set(broker, this.replicas(broker) + 1);
    const [first] = replicas;
    if (first !== undefined) this.#leaders.set(first, this.leaders(first) + 1);
  }

  replicas(broker: BrokerId): number {
    return this.#replicas.get(broker) ?? 0;
  }

  /** Groups that prefer this broker as their leader. */
  leaders(broker: BrokerId): number {
    return this.#leaders.get(broker) ?? 0;
  }
}

/**
 * Places a group: the preferred leader on the broker that leads least, the others where least lies, no rack twice while another is
 * left. Ties go round the brokers from the leader on, so that the same three do not meet always. Deterministic; adds to `load`.
 *
 * @returns as many brokers as asked for, the preferred leader first, or undefined when there are too few
 */
export function place(brokers: readonly PlacementBroker[], count: number, load: Load): BrokerId[] | undefined {
  if (count < 1 || count > brokers.length) return undefined;
  const sorted = [...brokers].sort((left, right) => left.broker - right.broker);
  const chosen: PlacementBroker[] = [];
  while (chosen.length < count) {
    const [leader] = chosen;
    const free = sorted.filter((candidate) => !chosen.includes(candidate));
    const racks = new Set(chosen.map(({ rack }) => rack).filter((rack) => rack !== undefined));
    const apart = free.filter(({ rack }) => rack === undefined || !racks.has(rack));
    const from = leader === undefined ? 0 : sorted.indexOf(leader) + 1;
    const turn = (candidate: PlacementBroker) => (sorted.indexOf(candidate) - from + sorted.length) % sorted.length;
    const weight = (candidate: PlacementBroker): readonly number[] =>
      leader === undefined
        ? [load.leaders(candidate.broker), load.replicas(candidate.broker), turn(candidate)]
        : [load.replicas(candidate.broker), turn(candidate)];
    const best = (apart.length > 0 ? apart : free).reduce((left, right) =>
      isLess(weight(right), weight(left)) ? right : left,
    );
    chosen.push(best);
  }
  const replicas = chosen.map(({ broker }) => broker);
  load.add(replicas);
  return replicas;
}

function isLess(left: readonly number[], right: readonly number[]): boolean {
  const at = left.findIndex((value, index) => value !== right[index]);
  return at >= 0 && (left[at] ?? 0) < (right[at] ?? 0);
}

/** Voters of the metadata for a cluster of this many brokers: an odd number, five at most. */
export function metaVoters(brokers: number): number {
  return brokers >= 5 ? 5 : brokers >= 3 ? 3 : 1;
}
