import type { History } from '../../../../checkers/recorder.ts';
import type {
  AssignmentSeen,
  CommitSeen,
  EndsSeen,
  EpochSeen,
  FetchSeen,
  OffsetFetchSeen,
  SequenceRefused,
} from '../../../../checkers/streambus/evidence.ts';
import type { Host } from '../../../../host/host.ts';
import type { Address } from '../../../../host/network.ts';
import { ClusterClient } from '../client/cluster.ts';
import type { StreamBusLoad } from '../loadSchema.ts';

/** What the clients were told beside their operations on the log. */
export interface Told {
  readonly ends: EndsSeen[];
  readonly assignments: AssignmentSeen[];
  readonly commits: { -readonly [Field in keyof CommitSeen]: CommitSeen[Field] }[];
  readonly offsetFetches: OffsetFetchSeen[];
  readonly fetches: FetchSeen[];
  readonly refusals: SequenceRefused[];
  readonly epochs: EpochSeen[];
}

/** What every client of a workload shares. */
export interface LoadWorld {
  /** As it is now. */
  readonly load: () => StreamBusLoad;
  readonly isStopped: () => boolean;
  /** How much faster than the load says the clients work; 0: not at all. */
  readonly factor: () => number;
  readonly history: History;
  readonly told: Told;
  readonly now: () => number;
  /** The next logical client of the history. */
  readonly nextProcess: () => number;
  readonly seeds: readonly Address[];
  /** Partitions that any producer sends to, and those of transactions. */
  readonly plainKeys: readonly string[];
  readonly transactionalKeys: readonly string[];
  /** Partitions of a topic whose records are deleted soon: nobody reads them. Empty where the load has none. */
  readonly shortLivedKeys: readonly string[];
  /** Partitions of a topic that is deleted and made again all the time: nobody reads them. Empty where the load has none. */
  readonly passingKeys: readonly string[];
  /** Topics of these partitions, but of those that pass, that are not known to be there yet. */
  readonly topicsLeft: Set<string>;
}

export function topicOf(key: string): string {
  return key.slice(0, key.lastIndexOf('/'));
}

export function partitionOf(key: string): number {
  return Number(key.slice(key.lastIndexOf('/') + 1));
}

export function openCluster(world: LoadWorld, host: Host, clientId: string): ClusterClient {
  return new ClusterClient(host, { clientId, seeds: world.seeds, timeoutMs: world.load().timeout });
}

/** Waits as long as a pace says, at the factor of the moment; returns early when the load stops. */
export async function pause(world: LoadWorld, host: Host, ms: number): Promise<void> {
  let left = Math.max(1, ms);
  while (left > 0 && !world.isStopped()) {
    const factor = world.factor();
    const step = factor === 0 ? 100 : Math.min(left / factor, 1_000);
    await host.clock.sleep(step);
    left -= factor === 0 ? 0 : step * factor;
    if (left < 1e-6) return;
  }
}

/** Kafka's error numbers by what they leave a client to believe. */
export const kafka = {
  none: 0,
  unknownTopic: 3,
  notLeader: 6,
  timedOut: 7,
  coordinatorLoading: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  notEnoughReplicas: 19,
  notEnoughReplicasAfterAppend: 20,
  illegalGeneration: 22,
  unknownMember: 25,
  rebalanceInProgress: 27,
  outOfOrder: 45,
  duplicateSequence: 46,
  concurrentTransactions: 51,
  memberIdRequired: 79,
} as const;

/** After these the batch may be in the log, now or later; every other error says that nothing was appended. */
export function isInDoubt(errorCode: number): boolean {
  return errorCode === kafka.timedOut || errorCode === kafka.notEnoughReplicasAfterAppend || errorCode === -1;
}

/** Errors that say: ask again, here or elsewhere. */
export function isPassing(errorCode: number): boolean {
  return isInDoubt(errorCode) || [3, 5, 6, 8, 13, 14, 15, 16, 19, 51, 56, 72, 74, 75, 89, 100, 103].includes(errorCode);
}

/** Errors after which a client asks anew who leads. */
export function isOfLeader(errorCode: number): boolean {
  return [3, 5, 6, 7, 13, 20, 72, 74, 75, 100].includes(errorCode);
}

export function errorOf(errorCode: number, message?: string | null): { code: string; message: string } {
  return { code: `KAFKA_${errorCode}`, message: message ?? `error ${errorCode}` };
}
