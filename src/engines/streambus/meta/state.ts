import type { Telemetry } from '../../../host/telemetry.ts';
import type {
  CommittedEntry,
  MachineCheckpoint,
  MachineFactory,
  MachineSnapshot,
  PeerAnswers,
  ReplicatedMachine,
} from '../broker/group.ts';
import { RpcRefusal } from '../broker/rpc.ts';
import { acceptsRollback } from '../identity.ts';
import type { BrokerId, GroupId } from '../ids.ts';
import { alterQuotas, alterScram, createAcls, deleteAcls, quotaFor } from './accessCommands.ts';
import type { MetaCommand, MetaResults } from './commands.ts';
import { alterConfigs } from './configCommands.ts';
import { registerBroker } from './incarnations.ts';
import { decodeJson, encodeJson, hexOf } from './json.ts';
import type {
  AclBinding,
  BrokerInfo,
  Metadata,
  PartitionInfo,
  Quota,
  ScramCredential,
  ShardInfo,
  TopicInfo,
} from './metadata.ts';
import { MetaState, type QuotaRecord } from './model.ts';
import { shardNumber } from './shardOf.ts';
import { decodeState, encodeState } from './stateFile.ts';
import { createPartitions, createTopics, deleteTopics } from './topicCommands.ts';

/** Producer ids that a broker is given at once. */
export const producerIdBlock = 1_000;

/** A command on its way to the log. */
export interface SubmittedCommand {
  /** Drawn once by who submits it: the same in every repetition. */
  readonly id: string;
  readonly command: MetaCommand;
}

/** The bytes of a command's entry. */
export function encodeCommand(submitted: SubmittedCommand): Uint8Array {
  return encodeJson(submitted);
}

/** The state with which the metadata of a new cluster begins: what its group holds at index 1 of term 1. */
const firstIndex = 1;
const firstTerm = 1;

/** The metadata's replica on this broker: the machine of group 0, and the local copy that everything else reads. */
export class MetaMachine implements ReplicatedMachine, PeerAnswers, Metadata {
  readonly #telemetry: Telemetry;
  readonly #listeners = new Set<() => void>();
  readonly #waiters = new Set<{ readonly index: number; readonly resolve: () => void }>();
  #acls: readonly AclBinding[] | undefined;
  #state = new MetaState();
  #index = 0;
  #term = 0;

  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry;
  }

  /** Opens the machine: from its checkpoint, else from what the cluster was formatted with, else empty, to be restored by a leader. */
  open(checkpoint: MachineCheckpoint | undefined, founded: Uint8Array | undefined): void {
    if (checkpoint !== undefined) this.#replace(checkpoint);
    else if (founded !== undefined) this.#replace({ index: firstIndex, term: firstTerm, data: founded });
  }

  apply(entry: CommittedEntry): unknown {
    const result = this.#apply(entry);
    this.#wake();
    return result;
  }

  #apply(entry: CommittedEntry): unknown {
    this.#index = entry.index;
    this.#term = entry.term;
    if (entry.data.length === 0) return undefined;
    const { id, command } = decodeJson(entry.data) as SubmittedCommand; // written by `encodeCommand`
    const isRepeated = this.#state.results.has(id);
    this.#telemetry.sometimes('metadata command repeated', isRepeated);
    if (isRepeated) return this.#state.results.get(id);
    const result = applyCommand(this.#state, command, this.#telemetry);
    this.#state.remember(id, result);
    this.#changed();
    return result;
  }

  lead(): void {
    // Commands are proposed by `submit`; the machine itself proposes nothing.
  }

  follow(): void {
    // See `lead`.
  }

  async checkpoint(): Promise<MachineCheckpoint> {
    return { index: this.#index, term: this.#term, data: this.snapshot() };
  }

  snapshot(): Uint8Array {
    return encodeState(this.#state);
  }

  async restore(snapshot: MachineSnapshot): Promise<void> {
    this.#replace(snapshot);
    this.#changed();
    this.#wake();
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }

  async answerPeer(): Promise<Uint8Array> {
    // A snapshot holds everything: nobody has to ask for more.
    throw new RpcRefusal('NOTHING_TO_FETCH', 'a snapshot of the metadata is whole');
  }

  get clusterId(): string {
    return this.#state.clusterId;
  }

  get version(): number {
    return this.#index;
  }

  get brokers(): ReadonlyMap<BrokerId, BrokerInfo> {
    return this.#state.brokers;
  }

  /** What recognizes the start that a broker registered last; empty when it never did. */
  sessionOf(broker: BrokerId): string {
    return this.#state.brokers.get(broker)?.session ?? '';
  }

  /** How far a broker's journal was durable when it registered last; 0 when it never did. */
  journalEndOf(broker: BrokerId): number {
    return this.#state.brokers.get(broker)?.journalEnd ?? 0;
  }

  get topics(): ReadonlyMap<string, TopicInfo> {
    return this.#state.topics;
  }

  topicById(id: Uint8Array): TopicInfo | undefined {
    const name = this.#state.topicNames.get(hexOf(id));
    return name === undefined ? undefined : this.#state.topics.get(name);
  }

  get shards(): readonly ShardInfo[] {
    return this.#state.shards;
  }

  shardOf(kind: 'groups' | 'transactions', name: string): GroupId {
    const shards = this.#state.shards.filter((shard) => shard.kind === kind);
    const shard = shards[shardNumber(name, shards.length)];
    if (shard === undefined)
      throw new Error(`the metadata has no shards of ${kind}: it was asked before it was restored`);
    return shard.group;
  }

  partitionOf(group: GroupId): PartitionInfo | undefined {
    return this.#state.partitions.get(group);
  }

  get readOnly(): string | undefined {
    return this.#state.readOnly;
  }

  get acls(): readonly AclBinding[] {
    // Asked for each request where access rules are in force.
    this.#acls ??= [...this.#state.acls.values()];
    return this.#acls;
  }

  credential(user: string, mechanism: ScramCredential['mechanism']): ScramCredential | undefined {
    return this.#state.credentials.get(user)?.find((credential) => credential.mechanism === mechanism);
  }

  get credentials(): ReadonlyMap<string, readonly ScramCredential[]> {
    return this.#state.credentials;
  }

  get quotas(): readonly QuotaRecord[] {
    return [...this.#state.quotas.values()];
  }

  quota(user: string | undefined, clientId: string): Quota {
    return quotaFor(this.#state, user, clientId);
  }

  onChange(fn: () => void): () => void {
    this.#listeners.add(fn);
    return () => void this.#listeners.delete(fn);
  }

  #replace({ index, term, data }: MachineSnapshot): void {
    this.#state = decodeState(data);
    this.#index = index;
    this.#term = term;
  }

  /** Resolves once this copy has applied `index`; rejects with the signal's reason. */
  async applied(index: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#index >= index) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { index, resolve };
    const abort = () => reject(signal.reason);
    this.#waiters.add(waiter);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await promise;
    } finally {
      this.#waiters.delete(waiter);
      signal.removeEventListener('abort', abort);
    }
  }

  #wake(): void {
    for (const waiter of this.#waiters) if (waiter.index <= this.#index) waiter.resolve();
  }

  #changed(): void {
    this.#acls = undefined;
    for (const listener of [...this.#listeners]) listener();
  }
}

function applyCommand(state: MetaState, command: MetaCommand, telemetry: Telemetry): MetaResults[MetaCommand['type']] {
  switch (command.type) {
    case 'register-broker': {
      const result = registerBroker(state, command, acceptsRollback(telemetry));
      telemetry.sometimes('incarnation swapped', !['known', 'joined', 'outrun'].includes(result.verdict));
      // Who asks for the first time has seen none yet.
      telemetry.sometimes('registration outrun', result.verdict === 'outrun' && command.seen !== 0);
      return result;
    }
    case 'create-topics':
      return createTopics(state, command);
    case 'delete-topics':
      return deleteTopics(state, command);
    case 'create-partitions':
      return createPartitions(state, command);
    case 'alter-configs':
      return alterConfigs(state, command);
    case 'create-acls':
      return createAcls(state, command);
    case 'delete-acls':
      return deleteAcls(state, command);
    case 'alter-quotas':
      return alterQuotas(state, command);
    case 'alter-scram':
      return alterScram(state, command);
    case 'allocate-producer-ids': {
      const first = state.nextProducerId;
      state.nextProducerId += producerIdBlock;
      return { first, count: producerIdBlock };
    }
    case 'set-read-only':
      state.readOnly = command.reason;
      return { readOnly: state.readOnly };
  }
}

/**
 * Opens the metadata's group on a broker. `founded` is the state that the cluster was formatted with, for a broker that
 * belongs to the group from its first entry on; undefined for one that joined later.
 */
export function metaFactory(machine: MetaMachine, founded: Uint8Array | undefined): MachineFactory {
  return async (_, checkpoint) => {
    machine.open(checkpoint, founded);
    return machine;
  };
}
