import { Counter, Gauge, Histogram, type Metric, type Registry } from 'prom-client';
import type { DiskErrorCode, DiskOperation } from '../../host/disk.ts';
import type { Host } from '../../host/host.ts';
import { SlidingSummary } from '../../host/slidingSummary.ts';
import { ENDPOINTS } from './admission.ts';
import { BACKGROUND_TASKS, type BackgroundTask } from './backgroundTasks.ts';

const QUANTILES = [0.5, 0.9, 0.99] as const;
/** 0.1 ms × 2^0..15, in seconds. */
const LATENCY_BUCKETS = Array.from({ length: 16 }, (_, i) => 0.0001 * (1 << i));

/** 0.25 ms × 2^0..17, up to 32.8 s: the default time-out of a request lies inside. */
const REQUEST_BUCKETS = Array.from({ length: 18 }, (_, i) => 0.000_25 * (1 << i));

/** Names of all states of the node: each is a series of `stemedb_node_state`. */
export const NODE_STATES = ['serving', 'draining', 'drained'] as const;
export type NodeState = (typeof NODE_STATES)[number];

/** What gauges ask when they are scraped. */
export interface Gauges {
  nodeState(): NodeState;
  rateLimit(): number;
  indexRows(): number;
  indexBytes(): number;
  /** Monotonic seconds since the newest part was written; since the start if there is none. */
  snapshotAgeSeconds(): number;
  paused(task: BackgroundTask): boolean;
}

/** Space of one directory, as last asked for. */
export interface SpaceReading {
  readonly freeBytes: number;
  readonly totalBytes: number;
  readonly freeInodes: number;
}

/** The store's metrics; those of the log are the journal's, that of the build the daemon's. */
export interface StemeMetrics {
  readonly assertions: Counter<'status'>;
  readonly records: Counter<'type'>;
  readonly rejections: Counter<'code'>;
  readonly rateLimited: Counter<'endpoint'>;
  readonly queries: Histogram<'lens'>;
  readonly cacheHits: Counter;
  readonly cacheMisses: Counter;
  readonly corruptions: Counter<'where'>;
  readonly backgroundBytes: Counter<'task'>;
  readonly http: Histogram<'route' | 'status'>;
  readonly storageOperations: Counter<'operation'>;
  readonly storageErrors: Counter<'operation' | 'code'>;
  readonly storageSeconds: Histogram<'operation'>;
  readonly diskErrors: Counter<'code'>;
  /** Notes that a write was received; call the result when it was answered. */
  beginWrite(): () => void;
  setSpace(directory: 'wal' | 'store', space: SpaceReading): void;
  attach(gauges: Gauges): void;
}

/** Operations of a disk, so that each counter has its zero before the first error. */
const OPERATIONS: readonly DiskOperation[] = [
  'open',
  'read',
  'write',
  'sync',
  'rename',
  'remove',
  'list',
  'stat',
  'syncDirectory',
];
const MEDIA_CODES: readonly DiskErrorCode[] = ['EIO', 'EROFS', 'ENODEV'];

/** Registers every metric of the store in the host's registry. */
export function createMetrics(host: Host): StemeMetrics {
  const { registry } = host.telemetry;
  const registers = [registry];
  const counter = <Label extends string = never>(name: string, help: string, labelNames: readonly Label[] = []) =>
    new Counter<Label>({ name: `stemedb_${name}`, help, labelNames: [...labelNames], registers });
  const histogram = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
    new Histogram<Label>({
      name: `stemedb_${name}`,
      help,
      labelNames: [...labelNames],
      registers,
      buckets: LATENCY_BUCKETS,
    });

  const assertions = counter('assertions_total', 'Assertions answered, by what became of them.', ['status']);
  for (const status of ['created', 'exists', 'rejected']) assertions.inc({ status }, 0);
  const rateLimited = counter('rate_limited_total', 'Requests refused for their rate.', ['endpoint']);
  for (const endpoint of ENDPOINTS) rateLimited.inc({ endpoint }, 0);
  const diskErrors = counter('disk_errors_total', 'Errors of the device under the store: EIO and kin.', ['code']);
  for (const code of MEDIA_CODES) diskErrors.inc({ code }, 0);
  const storageErrors = counter('storage_operation_errors_total', 'Disk calls that failed.', ['operation', 'code']);
  for (const operation of OPERATIONS) storageErrors.inc({ operation, code: 'EIO' }, 0);
  const storageOperations = counter('storage_operations_total', 'Disk calls that ended, failed ones included.', [
    'operation',
  ]);
  for (const operation of OPERATIONS) storageOperations.inc({ operation }, 0);

  const writes = new SlidingSummary({ now: () => host.clock.now() });
  const inFlight = new Set<{ readonly since: number }>();
  registerSummary(
    registry,
    'stemedb_write_duration_seconds',
    'Writes of the last 60 s, received to answered.',
    writes,
    () => Array.from(inFlight, ({ since }) => (host.clock.now() - since) / 1000),
  );

  const space = {
    free: gauge(registry, 'disk_free_bytes', 'Free space of the file system that holds the directory.', ['dir']),
    total: gauge(registry, 'disk_total_bytes', 'Size of the file system that holds the directory.', ['dir']),
    inodes: gauge(registry, 'disk_free_inodes', 'Files that the file system can still make.', ['dir']),
  };

  return {
    assertions,
    records: counter(
      'records_total',
      'Records folded into the index since the start, by type, without those of recovery.',
      ['type'],
    ),
    rejections: counter('write_rejections_total', 'Writes refused or failed, by code of the error.', ['code']),
    rateLimited,
    queries: histogram('query_duration_seconds', 'Time to answer a query.', ['lens']),
    cacheHits: counter('cache_hits_total', 'Records read from memory.'),
    cacheMisses: counter('cache_misses_total', 'Records read from the disk.'),
    corruptions: counter('corruptions_total', 'Damage found in files at rest.', ['where']),
    backgroundBytes: counter('background_bytes_total', 'Bytes that background work wrote.', ['task']),
    http: new Histogram({
      name: 'stemedb_http_request_duration_seconds',
      help: 'Time from the arrival of a request to its answer.',
      labelNames: ['route', 'status'],
      registers,
      buckets: REQUEST_BUCKETS,
    }),
    storageOperations,
    storageErrors,
    storageSeconds: histogram('storage_operation_seconds', 'Time of a disk call.', ['operation']),
    diskErrors,
    beginWrite() {
      const write = { since: host.clock.now() };
      inFlight.add(write);
      return () => {
        if (inFlight.delete(write)) writes.observe((host.clock.now() - write.since) / 1000);
      };
    },
    setSpace(dir, reading) {
      space.free.set({ dir }, reading.freeBytes);
      space.total.set({ dir }, reading.totalBytes);
      space.inodes.set({ dir }, reading.freeInodes);
    },
    attach: (gauges) => attachGauges(registry, gauges),
  };
}

function attachGauges(registry: Registry, gauges: Gauges): void {
  collected(registry, 'node_state', 'Whether the node takes writes: 1 for the present state.', ['state'], (metric) => {
    for (const state of NODE_STATES) metric.set({ state }, state === gauges.nodeState() ? 1 : 0);
  });
  const plain: readonly [string, string, () => number][] = [
    ['rate_limit_writes_per_second', 'Records a second that may be written; 0 is off.', gauges.rateLimit],
    ['index_rows', 'Rows of the index: LSNs folded.', gauges.indexRows],
    ['index_bytes', 'Memory of the index.', gauges.indexBytes],
    ['index_snapshot_age_seconds', 'Age of the newest part of the index on disk.', gauges.snapshotAgeSeconds],
  ];
  for (const [name, help, value] of plain) collected(registry, name, help, [], (metric) => metric.set(value()));
  collected(registry, 'background_paused', 'Whether a background task is paused.', ['task'], (metric) => {
    for (const task of BACKGROUND_TASKS) metric.set({ task }, gauges.paused(task) ? 1 : 0);
  });
}

function gauge<Label extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly Label[],
): Gauge<Label> {
  return new Gauge<Label>({ name: `stemedb_${name}`, help, labelNames: [...labelNames], registers: [registry] });
}

function collected<Label extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly Label[],
  collect: (metric: Gauge<Label>) => void,
): void {
  new Gauge<Label>({
    name: `stemedb_${name}`,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      collect(this);
    },
  });
}

/** Registers a sliding summary under a name. What is in flight counts by its age. */
function registerSummary(
  registry: Registry,
  name: string,
  help: string,
  summary: SlidingSummary,
  inFlight: () => number[],
): void {
  const metric = {
    name,
    help,
    type: 'summary',
    aggregator: 'omit',
    get: async () => {
      const values = summary.quantiles(QUANTILES, inFlight());
      return {
        name,
        help,
        type: 'summary',
        aggregator: 'omit',
        values: [
          ...QUANTILES.map((quantile, i) => ({
            metricName: name,
            labels: { quantile },
            value: values[i] ?? Number.NaN,
          })),
          { metricName: `${name}_sum`, labels: {}, value: summary.sum },
          { metricName: `${name}_count`, labels: {}, value: summary.count },
        ],
      };
    },
    reset: () => undefined,
    remove: () => undefined,
  };
  registry.registerMetric(metric as unknown as Metric); // the registry asks a metric for nothing but name and get()
}
