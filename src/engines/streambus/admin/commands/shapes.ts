/** What the routes answer, as far as the commands read it. */
export interface Members {
  readonly cluster_id: string;
  readonly members: readonly {
    readonly broker_id: number;
    readonly address: string;
    readonly http: string;
    readonly incarnation: number;
    readonly state: string;
    readonly voter: boolean;
    readonly raft_state: string | null;
    readonly leaders: number;
    readonly replicas: number;
    readonly read_only: string | null;
    readonly disk: { readonly free: number; readonly total: number } | null;
  }[];
}

export interface Quorum {
  readonly groups: readonly {
    readonly group: string;
    readonly voters: readonly number[];
    readonly reachable: readonly number[];
    readonly leader: number | null;
    readonly term: number | null;
  }[];
}

export interface PartitionsHealth {
  readonly healthy: number;
  readonly unhealthy: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly broker: number | null;
    readonly reason: string;
    readonly first_offset: number | null;
    readonly last_offset: number | null;
  }[];
}

export interface Health {
  readonly status: 'healthy' | 'degraded' | 'unhealthy';
  readonly checks: Readonly<Record<string, { readonly status: string; readonly message: string }>>;
}

export interface HostFigures {
  readonly broker_id: number;
  readonly name: string;
  readonly uptime_s: number;
  readonly disk: { readonly free_bytes: number; readonly total_bytes: number } | null;
  readonly memory: { readonly used_bytes: number; readonly counted_bytes: number; readonly limit_bytes: number };
  readonly connections: number;
  readonly tasks: number;
}

export interface JobRow {
  readonly job: string;
  readonly state: 'running' | 'done' | 'failed';
  readonly progress: number;
  readonly result?: unknown;
  readonly error?: string;
}
