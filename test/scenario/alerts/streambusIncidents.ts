import type { InputSeries, Point } from '../promql/promtool.ts';
import type { Incident } from './stemedbIncidents.ts';

const INSTANCE = { job: 'streambus', instance: 'streambus-1:8080' };
const points = 240;

/** An hour in 15 s steps in which every rule of streambus fires and resolves, some of them over several brokers. */
export function streambusIncidents(): Incident[] {
  const steps = Array.from({ length: 60 }, (_, index) => index * 4);
  const during = (from: number, to: number, inside: number, outside: number): Point[] =>
    gauge((step) => (step >= from && step < to ? inside : outside));
  const growing = (from: number, to: number, inside: number, outside: number): Point[] =>
    counter((step) => (step >= from && step < to ? inside : outside));
  return [
    {
      intervalMs: 15_000,
      steps,
      series: [
        series('up', {}, during(20, 40, 0, 1)),
        // The leader's series is there while somebody leads: gone for ten minutes, then twice.
        {
          name: 'raft_state',
          labels: { ...INSTANCE, state: 'leader' },
          points: gauge((step) => (step < 40 ? 1 : step < 80 ? 'stale' : 1)),
        },
        {
          name: 'raft_state',
          labels: { ...INSTANCE, instance: 'streambus-2:8080', state: 'leader' },
          points: gauge((step) => (step >= 120 && step < 140 ? 1 : '_')),
        },
        series('raft_commit_index', { group: 'worst' }, during(30, 90, 50_000, 100)),
        series(
          'raft_applied_index',
          { group: 'worst' },
          gauge(() => 100),
        ),
        series('streambus_leader_changes_total', { kind: 'meta' }, growing(50, 60, 1, 0)),
        series('streambus_offline_partitions', {}, during(10, 20, 3, 0)),
        series('streambus_under_replicated_partitions', {}, during(30, 90, 3, 0)),
        series('streambus_replica_lag_entries', {}, during(60, 120, 12_345, 0)),
        series('streambus_corruptions_total', { where: 'segment' }, growing(70, 71, 1, 0)),
        series('streambus_oldest_open_transaction_seconds', {}, during(100, 140, 2_000, 4)),
      ],
    },
    {
      intervalMs: 15_000,
      steps,
      series: [
        ...['0.1', '1', '10', '+Inf'].map((le) =>
          series('request_duration_seconds_bucket', { le, api: 'produce' }, slowBuckets(le, ['0.1', '1'])),
        ),
        ...['0.01', '0.1', '1', '+Inf'].map((le) =>
          series('streambus_journal_sync_duration_seconds_bucket', { le }, slowBuckets(le, ['0.01', '0.1'])),
        ),
        series('errors_total', {}, growing(40, 90, 300, 1)),
        series('streambus_memory_used_bytes', {}, during(20, 120, 95e6, 50e6)),
        series(
          'streambus_memory_limit_bytes',
          {},
          gauge(() => 100e6),
        ),
        series('streambus_insecure_listener', {}, during(10, 30, 1, 0)),
        series(
          'disk_free',
          {},
          gauge((step) => (step < 40 ? 50e9 : step < 90 ? 15e9 : step < 130 ? 5e9 : 60e9)),
        ),
        series(
          'disk_total',
          {},
          gauge(() => 100e9),
        ),
        series('streambus_read_only', {}, during(120, 140, 1, 0)),
      ],
    },
  ];
}

/** A histogram of 30 events a step, all in the first bucket; for half an hour none of them is in the quick ones. */
function slowBuckets(le: string, quick: readonly string[]): Point[] {
  return counter((step) => (quick.includes(le) && step >= 60 && step < 180 ? 0 : 30));
}

function series(name: string, labels: Readonly<Record<string, string>>, given: readonly Point[]): InputSeries {
  return { name, labels: { ...INSTANCE, ...labels }, points: given };
}

function gauge(at: (step: number) => Point): Point[] {
  return Array.from({ length: points }, (_, step) => at(step));
}

function counter(increment: (step: number) => number): Point[] {
  let total = 0;
  return Array.from({ length: points }, (_, step) => {
    total += increment(step);
    return total;
  });
}
