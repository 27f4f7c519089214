import type { Operation } from '../../../checkers/history.ts';
import type {
  DiskCall,
  FaultWindow,
  IndexAnswer,
  Life,
  ServerRequest,
  StateSample,
  StemeEvidence,
  StemeSettings,
} from '../../../checkers/stemedb/evidence.ts';
import type { StemeConfig } from '../../../engines/stemedb/config.ts';
import type { FaultLogEntry } from '../../runRecord.ts';
import type { RunFacts } from '../stand.ts';

/** What the stand writes down of one node during a run. */
export class EvidenceLog {
  readonly node: string;
  /** The next number of the run's one order, over all nodes. */
  readonly order: () => number;
  readonly requests: ServerRequest[] = [];
  readonly lives: Life[] = [];
  readonly disk: DiskCall[] = [];
  readonly samples: StateSample[] = [];
  readonly powerLosses: { atMs: number; order: number }[] = [];
  readonly index: IndexAnswer[] = [];

  constructor(node: string, order: () => number) {
    this.node = node;
    this.order = order;
  }

  /** The life of this process, if it has begun. */
  lifeOf(incarnation: number): Life | undefined {
    return this.lives.findLast((life) => life.incarnation === incarnation);
  }

  /** A process has begun on this machine. */
  began(
    life: Pick<Life, 'incarnation' | 'device' | 'found' | 'indexedLsn' | 'logBytes' | 'settings'>,
    atMs: number,
  ): void {
    this.lives.push({
      ...life,
      node: this.node,
      startedAtMs: atMs,
      startedOrder: this.order(),
      servedAtMs: Number.POSITIVE_INFINITY,
      servedOrder: Number.POSITIVE_INFINITY,
      endedAtMs: Number.POSITIVE_INFINITY,
      endedOrder: Number.POSITIVE_INFINITY,
      end: 'running',
    });
  }

  /** Everything, as the checks take it: of the operations and the faults of the run those that concern this node. */
  evidence(
    config: StemeSettings,
    firedFaultPoints: readonly string[],
    operations: readonly Operation[],
    run: RunFacts & { readonly nodes: readonly string[]; readonly endedAtMs: number },
  ): StemeEvidence {
    const { node } = this;
    const own = operations.filter((operation) => operation.node === node);
    return {
      config,
      // The history is the stand's own clients': its inputs and outputs are theirs.
      operations: own as StemeEvidence['operations'],
      requests: this.requests,
      lives: this.lives,
      disk: this.disk,
      samples: this.samples,
      faults: run.faults
        .filter((fault) => concerns(fault, node, run.nodes))
        .map((fault) => windowOf(fault, run.healedAtMs)),
      powerLosses: this.powerLosses,
      acceptedLoss: [],
      firedFaultPoints,
      healedAtMs: run.healedAtMs,
      endedAtMs: run.endedAtMs,
      index: this.index,
    };
  }
}

/**
 * Whether a fault can be felt at a node: it hits that machine, or none of the engine's (a client's clock), or the network or
 * the load, which are everybody's.
 */
function concerns({ name, nodes }: FaultLogEntry, node: string, all: readonly string[]): boolean {
  if (nodes.includes(node) || /^(network|load)\./.test(name)) return true;
  return !nodes.some((hit) => all.includes(hit));
}

/** A fault that leaves nothing to heal is a moment, but its damage stays: media faults have no end. */
function windowOf(fault: FaultLogEntry, healedAtMs: number | undefined): FaultWindow {
  const parameters =
    typeof fault.parameters === 'object' && fault.parameters !== null
      ? (fault.parameters as Readonly<Record<string, unknown>>)
      : {};
  const momentary = /^(process\.(kill|power-loss|wipe)|clock\.(jump|offset)|network\.(reset)|operator\.)/.test(
    fault.name,
  );
  return {
    name: fault.name,
    startMs: fault.startMs,
    endMs: fault.endMs ?? (momentary ? fault.startMs : (healedAtMs ?? Number.POSITIVE_INFINITY)),
    parameters,
  };
}

/** The bounds that the checks need, from the configuration with which the engine runs. */
export function settingsOf(config: StemeConfig): StemeSettings {
  return {
    maxWaitMs: config.wal.group_commit_max_wait_ms,
    maxBatchBytes: config.wal.group_commit_max_bytes,
    segmentBytes: config.wal.segment_bytes,
    reserveBytes: config.wal.reserve_bytes ?? 2 * config.wal.segment_bytes,
    maxPendingBytes: config.wal.max_pending_bytes,
    cacheBytes: config.store.cache_bytes,
    indexMaxBytes: config.index.max_bytes,
    requestTimeoutMs: config.server.request_timeout_ms,
    drainTimeoutMs: config.drain.timeout_ms,
    lameDuckMs: config.drain.lame_duck_ms,
    strictTail: config.wal.strict_tail,
    walDirectory: config.wal.dir,
    storeDirectory: config.store.dir,
  };
}
