/** A line that a value should stay below or above, with the rule that says so. */
export interface Threshold {
  readonly value: number;
  readonly label: string;
}

/**
 * A chart that a report shows without being asked. `value` shows samples as they are, `rate` their growth a second, `state`
 * which of the series of a node is 1, by its label `state`.
 */
export interface ChartPreset {
  readonly title: string;
  /** One sentence for who has not seen it before. */
  readonly help: string;
  readonly unit: 'seconds' | 'per-second' | 'bytes' | 'ratio' | 'count' | 'state';
  readonly metric: string;
  readonly show: 'value' | 'rate' | 'state';
  readonly thresholds: readonly Threshold[];
}

const STEMEDB: readonly ChartPreset[] = [
  {
    title: 'Durable write (fsync) latency',
    help: 'How long the disk takes to make a batch of the write-ahead log durable. Writers wait for it.',
    unit: 'seconds',
    metric: 'stemedb_wal_fsync_duration_seconds',
    show: 'value',
    thresholds: [
      { value: 0.05, label: 'degrading, 50 ms' },
      { value: 0.1, label: 'slow, 100 ms' },
      { value: 0.2, label: 'escalate, 200 ms' },
    ],
  },
  {
    title: 'API write latency',
    help: 'From a write request received to its answer, as the server measures it.',
    unit: 'seconds',
    metric: 'stemedb_write_duration_seconds',
    show: 'value',
    thresholds: [{ value: 0.2, label: 'high, 200 ms' }],
  },
  {
    title: 'Durable writes a second',
    help: 'Each one makes a whole batch durable: under load there are far fewer of them than of records.',
    unit: 'per-second',
    metric: 'stemedb_wal_fsync_total',
    show: 'rate',
    thresholds: [],
  },
  {
    title: 'Records waiting to be durable',
    help: 'Appended to the log and not yet acknowledged. It is bounded; at the bound writes are refused.',
    unit: 'count',
    metric: 'stemedb_wal_pending_records',
    show: 'value',
    thresholds: [],
  },
  {
    title: 'Disk queue depth',
    help: 'Operations that wait at the device, on average.',
    unit: 'count',
    metric: 'node_disk_io_time_weighted_seconds_total',
    show: 'rate',
    thresholds: [{ value: 10, label: 'congested, 10' }],
  },
  {
    title: 'Disk busy',
    help: 'Part of the time in which the device had something to do.',
    unit: 'ratio',
    metric: 'node_disk_io_time_seconds_total',
    show: 'rate',
    thresholds: [{ value: 0.8, label: 'saturated, 80 %' }],
  },
  {
    title: 'State of the log',
    help: 'open takes writes; read-only and failed refuse them.',
    unit: 'state',
    metric: 'stemedb_wal_state',
    show: 'state',
    thresholds: [],
  },
  {
    title: 'State of the node',
    help: 'What the node as a whole does: starting, serving, draining.',
    unit: 'state',
    metric: 'stemedb_node_state',
    show: 'state',
    thresholds: [],
  },
];

const BY_ENGINE: Readonly<Record<string, readonly ChartPreset[]>> = { stemedb: STEMEDB };

/** The charts by which incidents of this engine are read; none for an engine without its own. */
export function chartPresets(engine: string): readonly ChartPreset[] {
  return Object.hasOwn(BY_ENGINE, engine) ? (BY_ENGINE[engine] ?? []) : [];
}
