import type { BrokerId, Incarnation } from '../ids.ts';
import type { AclBinding, Quota, QuotaEntity, ScramCredential } from './metadata.ts';

/** An outcome in Kafka's numbers; 0 is success. */
export interface Outcome {
  readonly errorCode: number;
  readonly errorMessage: string | undefined;
}

/** Where a broker can be reached. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** A broker tells at each start who and where it is. */
export interface RegisterBroker {
  readonly type: 'register-broker';
  readonly broker: BrokerId;
  /** UUID of its storage. */
  readonly storage: string;
  /** What its identity says; 0 when it has to ask for one. */
  readonly incarnation: Incarnation | 0;
  /** Starts that its identity has counted, this one among them. */
  readonly startCount: number;
  /** Last record that its journal held when it started; 0 where it has to ask for an incarnation. */
  readonly journalEnd: number;
  /** Last one of these that was proven to be on the medium: a later start has to hold it. */
  readonly durableEnd: number;
  /** Drawn by the process: the same in a repeated registration of one start. */
  readonly session: string;
  /**
   * Of one that asks for an incarnation: the last one of this broker that it was told of; 0: none. A request that comes late, of a
   * process that is long gone, must not replace the one that has come after it, wherever it has been all the time.
   */
  readonly seen?: Incarnation | 0;
  readonly kafka: Endpoint;
  readonly rpc: Endpoint;
  readonly http: Endpoint;
  readonly rack: string | undefined;
}

export interface RegisterBrokerResult {
  /**
   * `known`: it goes on as it was. `joined`: the cluster has not seen this number before. `replaced`: its storage is another one,
   * or it asked for a new incarnation. `rolled-back`: its disk is older than what the cluster has seen of it. `fenced`: it
   * is an older incarnation than the current one. With these three what it had promised before is void: it must start with the
   * incarnation named here. `exhausted`: the number has had every incarnation that there is; nothing was changed. `outrun`: the last
   * incarnation is the one named here, not the one that had been seen; nothing was changed, and it may ask again.
   */
  readonly verdict: 'known' | 'joined' | 'replaced' | 'rolled-back' | 'fenced' | 'exhausted' | 'outrun';
  readonly incarnation: Incarnation;
  readonly clusterId: string;
}

export interface NewTopic {
  readonly name: string;
  /** 32 hexadecimal digits, drawn by the proposer. */
  readonly id: string;
  /** -1: the default. */
  readonly partitions: number;
  /** -1: the default. */
  readonly replication: number;
  /** Replicas by partition; undefined: the cluster places them. */
  readonly assignment: readonly (readonly BrokerId[])[] | undefined;
  readonly configs: Readonly<Record<string, string>>;
}

export interface CreateTopics {
  readonly type: 'create-topics';
  readonly topics: readonly NewTopic[];
  readonly validateOnly: boolean;
  /** The proposer's wall clock, milliseconds since 1970. */
  readonly createdWall: number;
  /** The proposer's `topics.default_*`: what -1 means. */
  readonly defaults: { readonly partitions: number; readonly replication: number };
}

export interface TopicOutcome extends Outcome {
  readonly name: string;
  /** 32 hexadecimal digits. */
  readonly id: string;
  /** -1 with an error. */
  readonly partitions: number;
  readonly replication: number;
}

export interface DeleteTopics {
  readonly type: 'delete-topics';
  /** By name, or by id where the name is undefined. */
  readonly topics: readonly { readonly name: string | undefined; readonly id: string | undefined }[];
}

export interface CreatePartitions {
  readonly type: 'create-partitions';
  readonly topics: readonly {
    readonly name: string;
    /** The new total. */
    readonly count: number;
    readonly assignment: readonly (readonly BrokerId[])[] | undefined;
  }[];
  readonly validateOnly: boolean;
}

/** Settings of brokers come from their configuration files: to alter them here is refused. */
export interface ConfigResource {
  readonly type: 'topic' | 'broker';
  readonly name: string;
}

export interface AlterConfigs {
  readonly type: 'alter-configs';
  readonly resources: readonly (ConfigResource & {
    /** `replace`: what is not named goes back to its default. */
    readonly mode: 'replace' | 'incremental';
    readonly changes: readonly {
      readonly name: string;
      readonly operation: 'set' | 'delete' | 'append' | 'subtract';
      readonly value: string | undefined;
    }[];
  })[];
  readonly validateOnly: boolean;
}

export interface CreateAcls {
  readonly type: 'create-acls';
  readonly bindings: readonly AclBinding[];
}

/** An undefined field fits everything. `match` as pattern: what would apply to a resource of this name. */
export interface AclFilter {
  readonly resourceType: AclBinding['resourceType'] | undefined;
  readonly resourceName: string | undefined;
  readonly patternType: AclBinding['patternType'] | 'match' | undefined;
  readonly principal: string | undefined;
  readonly host: string | undefined;
  readonly operation: AclBinding['operation'] | undefined;
  readonly permission: AclBinding['permission'] | undefined;
}

export interface DeleteAcls {
  readonly type: 'delete-acls';
  readonly filters: readonly AclFilter[];
}

export type QuotaKey = keyof Quota;

export interface AlterQuotas {
  readonly type: 'alter-quotas';
  readonly entries: readonly {
    readonly entity: QuotaEntity;
    /** Undefined removes it. */
    readonly changes: readonly { readonly key: QuotaKey; readonly value: number | undefined }[];
  }[];
  /** Forget every quota first. */
  readonly replaceAll: boolean;
  readonly validateOnly: boolean;
}

export interface AlterScram {
  readonly type: 'alter-scram';
  readonly upserts: readonly ({ readonly user: string } & ScramCredential)[];
  readonly deletions: readonly { readonly user: string; readonly mechanism: ScramCredential['mechanism'] }[];
}

/** Takes a block of producer ids that nobody else will ever get. */
export interface AllocateProducerIds {
  readonly type: 'allocate-producer-ids';
}

/** Refuses writes in the whole cluster, or takes them again. */
export interface SetReadOnly {
  readonly type: 'set-read-only';
  readonly reason: string | undefined;
}

/** What each command is answered with. Lists are in the order of the command's own. */
export interface MetaResults {
  'register-broker': RegisterBrokerResult;
  'create-topics': readonly TopicOutcome[];
  'delete-topics': readonly TopicOutcome[];
  'create-partitions': readonly (Outcome & { readonly name: string })[];
  'alter-configs': readonly (Outcome & ConfigResource)[];
  'create-acls': readonly Outcome[];
  'delete-acls': readonly { readonly deleted: readonly AclBinding[] }[];
  'alter-quotas': readonly Outcome[];
  /** Upserts first, then deletions. */
  'alter-scram': readonly (Outcome & { readonly user: string })[];
  'allocate-producer-ids': { readonly first: number; readonly count: number };
  'set-read-only': { readonly readOnly: string | undefined };
}

export type MetaCommand =
  | RegisterBroker
  | CreateTopics
  | DeleteTopics
  | CreatePartitions
  | AlterConfigs
  | CreateAcls
  | DeleteAcls
  | AlterQuotas
  | AlterScram
  | AllocateProducerIds
  | SetReadOnly;

/** A command came to no result. */
export class MetaError extends Error {
  override readonly name = 'MetaError';
  /** `refused`: it was not done and never will be. `unknown`: it may be done yet. */
  readonly outcome: 'refused' | 'unknown';
  constructor(outcome: MetaError['outcome'], message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.outcome = outcome;
  }
}

export interface SubmitOptions<Result = unknown> {
  /** Default 10,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Called with the result before this broker's own metadata have it; what it throws is what `submit` rejects with. */
  readonly onResult?: (result: Result) => void;
}

/** Changes of the cluster's metadata, from any broker. */
export interface MetaCommands {
  /**
   * Has meta's leader commit the command and resolves with its result once this broker's own copy of the metadata has it. It is
   * done once at most, however often it had to be sent. Rejects with `MetaError` when the time is up or nobody leads.
   */
  submit<C extends MetaCommand>(
    command: C,
    options?: SubmitOptions<MetaResults[C['type']]>,
  ): Promise<MetaResults[C['type']]>;
}
