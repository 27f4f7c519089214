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

/** What the stand writes down during a run. */
export class EvidenceLog {
  readonly requests: ServerRequest[] = [];
  readonly lives: Life[] = [];
  readonly disk: DiskCall[] = [];
  readonly samples: StateSample[] = [];
  readonly powerLosses: { atMs: number; order: number }[] = [];
  readonly index: IndexAnswer[] = [];
  #order = 0;

  /** The next number of the run's one order. */
  readonly order = (): number => this.#order++;

  /** The life of this process, if it has begun. */
  lifeOf(node: string, incarnation: number): Life | undefined {
    return this.lives.findLast((life) => life.node === node && life.incarnation === incarnation);
  }

  /** A process has begun on this machine. */
  began(
    life: Pick<Life, 'node' | 'incarnation' | 'device' | 'found' | 'indexedLsn' | 'logBytes' | 'settings'>,
    atMs: number,
  ): void {
    this.lives.push({
      ...life,
      startedAtMs: atMs,
      startedOrder: this.order(),
      servedAtMs: Number.POSITIVE_INFINITY,
      servedOrder: Number.POSITIVE_INFINITY,
      endedAtMs: Number.POSITIVE_INFINITY,
      endedOrder: Number.POSITIVE_INFINITY,
      end: 'running',
    });
  }

  /** Everything, as the checks take it. */
  evidence(
    config: StemeSettings,
    firedFaultPoints: readonly string[],
    operations: readonly Operation[],
    run: RunFacts,
    endedAtMs: number,
  ): StemeEvidence {
    return {
      config,
      // The history is the stand's own clients': its inputs and outputs are theirs.
      operations: operations as StemeEvidence['operations'],
      requests: this.requests,
      lives: this.lives,
      disk: this.disk,
      samples: this.samples,
      faults: run.faults.map((fault) => windowOf(fault, run.healedAtMs)),
      powerLosses: this.powerLosses,
      acceptedLoss: [],
      firedFaultPoints,
      healedAtMs: run.healedAtMs,
      endedAtMs,
      index: this.index,
    };
  }
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
