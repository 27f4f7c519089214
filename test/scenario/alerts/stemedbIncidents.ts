import type { InputSeries, Point } from '../promql/promtool.ts';

/** Series that make rules of stemedb fire and resolve, and the steps at which to look. */
export interface Incident {
  readonly intervalMs: number;
  readonly series: readonly InputSeries[];
  readonly steps: readonly number[];
}

const INSTANCE = { job: 'stemedb', instance: 'node-1:18180' };

/** Three incidents in 15 s steps, and a day in 15 m steps for what needs a day. */
export function stemedbIncidents(): Incident[] {
  const steps = Array.from({ length: 40 }, (_, index) => index * 8);
  const during = (from: number, to: number, inside: number, outside: number) =>
    gauge(320, (step) => (step >= from && step < to ? inside : outside));
  const counting = (from: number, to: number, inside: number, outside: number) =>
    counter(320, (step) => (step >= from && step < to ? inside : outside));
  return [
    {
      intervalMs: 15_000,
      steps,
      series: [
        // 0.3 s for 40 minutes, then 0.06 s: Slow, Degrading and Escalate, of which only Degrading goes on.
        series(
          'stemedb_wal_fsync_duration_seconds',
          { quantile: '0.99' },
          gauge(320, (step) => (step < 20 ? 0.01 : step < 200 ? 0.3 : 0.06)),
        ),
        series(
          'stemedb_wal_fsync_duration_seconds',
          { quantile: '0.5' },
          gauge(320, () => 9),
        ),
        series('stemedb_write_duration_seconds', { quantile: '0.99' }, during(30, 120, 0.5, 0.02)),
        series('stemedb_assertions_total', { status: 'created' }, counting(0, 240, 4_500, 600)),
        series('node_disk_io_time_weighted_seconds_total', { device: 'sda' }, counting(40, 150, 300, 3)),
        series('node_disk_io_time_seconds_total', { device: 'sda' }, counting(40, 150, 14.5, 1)),
      ],
    },
    {
      intervalMs: 15_000,
      steps,
      series: [
        series('stemedb_wal_fsync_inflight_seconds', {}, during(100, 110, 12, 0)),
        series(
          'stemedb_wal_fsync_errors_total',
          { segment: '7' },
          counter(320, (step) => (step === 60 ? 1 : 0)),
        ),
        series('stemedb_wal_state', { state: 'failed' }, during(60, 90, 1, 0)),
        series('stemedb_wal_state', { state: 'read-only' }, during(150, 180, 1, 0)),
        series('stemedb_disk_free_bytes', { dir: 'wal' }, during(140, 185, 4e9, 60e9)),
        series(
          'stemedb_disk_total_bytes',
          { dir: 'wal' },
          gauge(320, () => 100e9),
        ),
        series('stemedb_disk_free_inodes', { dir: 'wal' }, during(200, 230, 12, 65_536)),
        series(
          'stemedb_disk_errors_total',
          { code: 'EIO' },
          counter(320, (step) => (step === 60 ? 2 : 0)),
        ),
        series(
          'stemedb_corruptions_total',
          { where: 'segment' },
          counter(320, (step) => (step === 250 ? 1 : 0)),
        ),
      ],
    },
    {
      intervalMs: 15_000,
      steps,
      series: [
        ...['read', 'write'].map((operation) =>
          series('stemedb_storage_operations_total', { operation }, counting(0, 320, 1_500, 0)),
        ),
        series('stemedb_storage_operation_errors_total', { operation: 'read', code: 'EIO' }, counting(80, 130, 75, 0)),
        ...['0.1', '1', '4', '+Inf'].map((le) =>
          series(
            'stemedb_wal_rotation_seconds_bucket',
            { le },
            counter(320, (step) => (le === '4' || le === '+Inf' ? 2 : step >= 60 && step < 180 ? 0 : 2)),
          ),
        ),
      ],
    },
    {
      intervalMs: 900_000,
      steps: Array.from({ length: 30 }, (_, index) => index * 4),
      series: [
        series(
          'stemedb_rate_limit_writes_per_second',
          {},
          gauge(120, (step) => (step >= 4 && step < 110 ? 500 : 0)),
        ),
      ],
    },
  ];
}

function series(name: string, labels: Readonly<Record<string, string>>, points: readonly Point[]): InputSeries {
  return { name, labels: { ...INSTANCE, ...labels }, points };
}

function gauge(length: number, at: (step: number) => number): Point[] {
  return Array.from({ length }, (_, step) => at(step));
}

function counter(length: number, increment: (step: number) => number): Point[] {
  let total = 0;
  return Array.from({ length }, (_, step) => {
    total += increment(step);
    return total;
  });
}
