import { Counter, Gauge, type Registry } from 'prom-client';
import { HistogramMetric } from '../../host/histogram.ts';
import type { Host } from '../../host/host.ts';
import { SlidingSummary } from '../../host/slidingSummary.ts';
import type { Mutant } from './context.ts';
import type { JournalState, Lsn } from './types.ts';

const states: readonly JournalState[] = ['open', 'read-only', 'failed', 'damaged', 'closed'];
const quantiles = [0.5, 0.9, 0.99];

function doubling(first: number, count: number): number[] {
  const bounds: number[] = [];
  for (let bound = first; bounds.length < count; bound *= 2) bounds.push(bound);
  return bounds;
}

/**
 * Quantiles of the last minute as a Prometheus summary. A journal that is opened again in the same registry goes on
 * with the same object.
 */
export class SummaryMetric {
  readonly name: string;
  readonly help: string;
  readonly type = 'summary';
  readonly aggregator = 'omit';
  readonly summary: SlidingSummary;
  /** Ages, in seconds, of what is in flight. */
  inFlight: () => readonly number[] = () => [];

  constructor(name: string, help: string, summary: SlidingSummary) {
    this.name = name;
    this.help = help;
    this.summary = summary;
  }

  async get() {
    const values = this.summary.quantiles(quantiles, this.inFlight());
    return {
      name: this.name,
      help: this.help,
      type: this.type,
      aggregator: this.aggregator,
      values: [
        ...values.map((value, i) => ({ labels: { quantile: String(quantiles[i]) }, value })),
        { labels: {}, value: this.summary.sum, metricName: `${this.name}_sum` },
        { labels: {}, value: this.summary.count, metricName: `${this.name}_count` },
      ],
    };
  }

  reset(): void {
    // Part of what a registry asks of a metric; the windows forget by themselves.
  }
}

/** The metric of that name in the registry, made if it is not there yet. */
function once<M>(registry: Registry, name: string, make: () => M): M {
  const known = registry.getSingleMetric(name);
  // The registry is keyed by name and this file is the only one to register these names: the kind is the one made here.
  return known === undefined ? make() : (known as unknown as M);
}

/** All metrics of one journal, in the registry of its host under the caller's prefix. */
export class JournalMetrics {
  readonly fsync: SummaryMetric;
  readonly fsyncLatency: HistogramMetric;
  readonly fsyncTotal: Counter;
  readonly fsyncErrors: Counter<'segment'>;
  readonly fsyncInflight: Gauge;
  readonly groupWait: HistogramMetric;
  readonly batchRecords: HistogramMetric;
  readonly batchBytes: HistogramMetric;
  readonly pendingBytes: Gauge;
  readonly pendingRecords: Gauge;
  readonly durableLsn: Gauge;
  readonly witnessLsn: Gauge;
  readonly segments: Gauge;
  readonly diskUsage: Gauge;
  readonly rotations: Counter;
  readonly rotationSeconds: HistogramMetric;
  readonly recoveries: Counter<'verdict'>;
  readonly recoverySeconds: Gauge;
  readonly tornBatches: Counter;
  readonly corruptions: Counter<'where'>;
  readonly #state: Gauge<'state'>;
  readonly #countFailed: boolean;
  /** Bytes of the log's files now. */
  diskBytes: () => number = () => 0;
  #inflightMs: () => number = () => 0;
  #pending: () => { bytes: number; records: number } = () => ({ bytes: 0, records: 0 });

  constructor(host: Host, prefix: string, mutants: ReadonlySet<Mutant>) {
    const registry = host.telemetry.registry;
    const registers = [registry];
    const forAllTime = mutants.has('quantile-of-all-time');
    this.#countFailed = !mutants.has('count-ok-syncs-only');
    const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
      once(registry, prefix + name, () => new Counter({ name: prefix + name, help, labelNames, registers }));
    const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = [], collect?: () => void) =>
      once(registry, prefix + name, () => {
        const made = new Gauge({ name: prefix + name, help, labelNames, registers, ...(collect && { collect }) });
        return made;
      });
    const histogram = (name: string, help: string, bounds: number[]) =>
      once(registry, prefix + name, () => {
        const made = new HistogramMetric({ name: prefix + name, help, bounds });
        // A registry takes any object with name and get(); its type names only its own classes.
        registry.registerMetric(made as unknown as Gauge);
        return made;
      });

    this.fsync = once(registry, `${prefix}wal_fsync_duration_seconds`, () => {
      const made = new SummaryMetric(
        `${prefix}wal_fsync_duration_seconds`,
        'Durable batch write, write and sync as one operation, from submission to completion; last 60 s, the one in flight counts by its age',
        new SlidingSummary({
          now: () => host.clock.now(),
          ...(forAllTime && { windows: 1, windowMs: Number.MAX_SAFE_INTEGER }),
        }),
      );
      // A registry takes any object with name and get(); its type names only its own classes.
      registry.registerMetric(made as unknown as Gauge);
      return made;
    });
    this.fsyncLatency = histogram(
      'wal_fsync_latency_seconds',
      'The same as a histogram, which adds up over nodes',
      doubling(0.0001, 16),
    );
    this.fsyncTotal = counter('wal_fsync_total', 'Durable batch writes finished, failed ones included');
    this.fsyncErrors = counter('wal_fsync_errors_total', 'Durable batch writes that failed', ['segment']);
    this.fsyncInflight = gauge('wal_fsync_inflight_seconds', 'Age of the durable write in flight, 0 if none', [], () =>
      this.fsyncInflight.set(this.#inflightMs() / 1000),
    );
    this.groupWait = histogram('wal_group_wait_seconds', 'Time that a batch was gathered', doubling(0.0001, 11));
    this.batchRecords = histogram('wal_batch_records', 'Records of a batch', doubling(1, 16));
    this.batchBytes = histogram('wal_batch_bytes', 'Bytes of a batch as written', doubling(4096, 13));
    this.pendingBytes = gauge('wal_pending_bytes', 'Bytes appended and not yet durable', [], () =>
      this.pendingBytes.set(this.#pending().bytes),
    );
    this.pendingRecords = gauge('wal_pending_records', 'Records appended and not yet durable', [], () =>
      this.pendingRecords.set(this.#pending().records),
    );
    this.#state = gauge('wal_state', '1 for the present state, 0 for the others', ['state']);
    this.durableLsn = gauge('wal_durable_lsn', 'Highest acknowledged LSN');
    this.witnessLsn = gauge('wal_witness_lsn', 'Highest LSN that the witness has noted');
    this.segments = gauge('wal_segments', 'Segment files');
    this.diskUsage = gauge('wal_disk_usage_bytes', 'Bytes of the segment files and the spare', [], () =>
      this.diskUsage.set(this.diskBytes()),
    );
    this.rotations = counter('wal_rotations_total', 'Segments begun after a seal');
    this.rotationSeconds = histogram(
      'wal_rotation_seconds',
      'From the seal of a segment to its successor being ready for batches',
      doubling(0.001, 14),
    );
    this.recoveries = counter('wal_recoveries_total', 'Starts by verdict', ['verdict']);
    for (const verdict of ['clean', 'torn-tail', 'corrupt']) this.recoveries.inc({ verdict }, 0);
    this.recoverySeconds = gauge('wal_recovery_seconds', 'Duration of the last recovery');
    this.tornBatches = counter('wal_torn_batches_total', 'Unacknowledged tails dropped by recovery');
    this.corruptions = counter('corruptions_total', 'Damage found in acknowledged data, by place', ['where']);
    // A counter that is born at 1 has no increase: the alert on it would miss the first damage.
    for (const where of ['header', 'segment', 'witness', 'index']) this.corruptions.inc({ where }, 0);
  }

  /** Where the gauges that are read at scrape time get their values. */
  observe(inflightMs: () => number, pending: () => { bytes: number; records: number }): void {
    this.#inflightMs = inflightMs;
    this.#pending = pending;
    this.fsync.inFlight = () => {
      const age = inflightMs();
      return age > 0 ? [age / 1000] : [];
    };
  }

  /** A durable batch write has finished. */
  syncFinished(seconds: number, ok: boolean): void {
    if (ok || this.#countFailed) this.fsyncTotal.inc();
    this.fsync.summary.observe(seconds);
    this.fsyncLatency.observe(seconds);
  }

  setState(state: JournalState): void {
    for (const each of states) this.#state.set({ state: each }, each === state ? 1 : 0);
  }

  setWatermark(gauge: 'durableLsn' | 'witnessLsn', lsn: Lsn): void {
    this[gauge].set(lsn);
  }
}
