import { readFileSync } from 'node:fs';
import { createAlertEvaluator } from '../../src/scenario/alerts/alertEvaluator.ts';
import { SeriesStore } from '../../src/scenario/promql/seriesStore.ts';
import type { AlertLogEntry, MetricRecord, RunRecord, TimelineEntry } from '../../src/scenario/runRecord.ts';

const MINUTE = 60_000;
const SCRAPE_MS = 15_000;

/** Options of a sample run. */
export interface SampleOptions {
  /** Lines of the log in the timeline. Default: 40. */
  readonly logLines?: number;
  /** A run with violations in place of one that held. */
  readonly violated?: boolean;
}

/**
 * A run as the incident "slow fsync" leaves it: the disk turns slow at 5 minutes, WALFsyncSlow fires at about 15:30, the operator
 * limits the rate, the disk is healed at 30 minutes. Alerts come from the real rules over the sampled metrics.
 */
export function sampleRecord({ logLines = 40, violated = false }: SampleOptions = {}): RunRecord {
  const virtualMs = 40 * MINUTE;
  const faultFrom = 5 * MINUTE;
  const faultTo = 30 * MINUTE;
  const limitedFrom = 17 * MINUTE;
  const wave = (tMs: number, period: number) => Math.sin(tMs / period) * 0.5 + Math.sin(tMs / (period * 0.37)) * 0.3;
  const isSlow = (tMs: number) => tMs >= faultFrom && tMs < faultTo;
  const load = (tMs: number) => (tMs >= limitedFrom && tMs < 32 * MINUTE ? 500 : 900) * (1 + 0.05 * wave(tMs, 70_000));
  const totals = new Map<string, number>();
  const counter = (key: string, growth: number) => {
    const total = (totals.get(key) ?? 0) + growth;
    totals.set(key, total);
    return total;
  };

  const metrics = new Map<
    string,
    { help: string; type: string; series: Map<string, { labels: Record<string, string>; points: [number, number][] }> }
  >();
  const store = new SeriesStore();
  const rules = createAlertEvaluator(readFileSync('alerts/stemedb.yaml', 'utf8'));
  const alerts: AlertLogEntry[] = [];
  const timeline: TimelineEntry[] = [
    { atMs: 0, kind: 'phase', text: 'safety: Slow WAL fsync, seed 7' },
    { atMs: 12, kind: 'start', node: 'stemedb-1', text: 'stemedb-1 serves (process 1)' },
    { atMs: 1_000, kind: 'load', text: 'load begins from 4 clients' },
    {
      atMs: faultFrom,
      kind: 'fault-start',
      node: 'stemedb-1',
      text: 'fsync on stemedb-1 takes 150 ms at p99',
      data: { p99Ms: 150, p50Ms: 110 },
    },
    {
      atMs: limitedFrom,
      kind: 'operator',
      text: 'operator: curl -X POST http://stemedb-1:18180/v1/admin/rate-limit -d \'{"max_writes_per_sec": 500}\'',
    },
    {
      atMs: limitedFrom + 4,
      kind: 'note',
      node: 'stemedb-1',
      text: 'stemedb-1: {"max_writes_per_sec":500}',
      data: { status: 200 },
    },
    { atMs: faultTo, kind: 'fault-end', node: 'stemedb-1', text: 'healed: fsync on stemedb-1 takes 150 ms at p99' },
    {
      atMs: 32 * MINUTE,
      kind: 'operator',
      text: 'operator: curl -X DELETE http://stemedb-1:18180/v1/admin/rate-limit',
    },
    { atMs: 38 * MINUTE, kind: 'phase', text: 'liveness: everything is healed and started' },
    { atMs: virtualMs, kind: 'phase', text: 'end' },
    { atMs: virtualMs, kind: 'expectation', text: 'held: WALFsyncSlow fires within 11m30s of slow-sync (10 min 30 s)' },
  ];
  for (let line = 0; line < logLines; line += 1) {
    const atMs = faultFrom + ((faultTo - faultFrom) * line) / logLines;
    const data = {
      durationMs: 140 + (line % 17),
      bytes: 4_096 * (1 + (line % 5)),
      records: 30 + (line % 9),
      segment: 3,
    };
    timeline.push({ atMs, kind: 'log', node: 'stemedb-1', text: `warn slow fsync </script><b>${line}</b>`, data });
  }

  const sample = (
    tMs: number,
    name: string,
    type: string,
    help: string,
    own: Record<string, string>,
    value: number,
  ) => {
    const labels = { job: 'stemedb', instance: 'stemedb-1:18180', ...own };
    const metric = metrics.get(name) ?? { help, type, series: new Map() };
    metrics.set(name, metric);
    const key = JSON.stringify(labels);
    const series = metric.series.get(key) ?? { labels, points: [] };
    metric.series.set(key, series);
    series.points.push([tMs, value]);
    store.append(name, labels, tMs, value);
  };

  for (let tMs = 0; tMs <= virtualMs; tMs += SCRAPE_MS) {
    const slow = isSlow(tMs - SCRAPE_MS / 2);
    for (const [quantile, quick, late] of [
      ['0.5', 0.0009, 0.109],
      ['0.9', 0.0021, 0.138],
      ['0.99', 0.0048, 0.152],
    ] as const) {
      const value = (slow ? late : quick) * (1 + 0.06 * wave(tMs + Number(quantile) * 1e6, 40_000));
      sample(tMs, 'stemedb_wal_fsync_duration_seconds', 'summary', 'Durable batch write, whole.', { quantile }, value);
      sample(
        tMs,
        'stemedb_write_duration_seconds',
        'summary',
        'From received to answered.',
        { quantile },
        value * 1.7 + 0.001,
      );
    }
    const perSecond = slow ? 7.4 : 210;
    sample(
      tMs,
      'stemedb_wal_fsync_total',
      'counter',
      'Durable batch writes finished.',
      {},
      counter('fsync', perSecond * 15),
    );
    sample(
      tMs,
      'stemedb_wal_pending_records',
      'gauge',
      'Appended, not yet durable.',
      {},
      Math.round((slow ? 96 : 4) * (1 + 0.3 * wave(tMs, 25_000))),
    );
    sample(
      tMs,
      'stemedb_assertions_total',
      'counter',
      'Assertions by status.',
      { status: 'created' },
      counter('created', load(tMs) * 14),
    );
    sample(
      tMs,
      'stemedb_assertions_total',
      'counter',
      'Assertions by status.',
      { status: 'exists' },
      counter('exists', 3),
    );
    for (const state of ['open', 'read-only', 'failed']) {
      sample(
        tMs,
        'stemedb_wal_state',
        'gauge',
        '1 for the present state.',
        { state },
        Number(state === (violated && tMs > 33 * MINUTE ? 'failed' : 'open')),
      );
    }
    for (const state of ['serving', 'draining'])
      sample(tMs, 'stemedb_node_state', 'gauge', '1 for the present state.', { state }, Number(state === 'serving'));
    sample(
      tMs,
      'node_disk_io_time_seconds_total',
      'counter',
      'Time in which the disk was busy.',
      { device: 'wal' },
      counter('busy', slow ? 14 : 3.1),
    );
    sample(
      tMs,
      'node_disk_io_time_weighted_seconds_total',
      'counter',
      'Queue depth times time.',
      { device: 'wal' },
      counter('weighted', slow ? 62 : 4.2),
    );
    for (const operation of ['read', 'write', 'sync', 'rename']) {
      sample(
        tMs,
        'stemedb_storage_operations_total',
        'counter',
        'Every call to the disk.',
        { operation },
        counter(operation, 700),
      );
    }
    for (const change of rules.step(tMs, store)) {
      const where = `${change.rule.name} ${change.state === 'firing' ? 'fires' : change.state} on ${change.labels.instance}`;
      timeline.push({
        atMs: tMs,
        kind: `alert-${change.state}`,
        text: where,
        data: { value: change.value, labels: change.labels },
      });
      if (change.state === 'resolved' || change.state === 'firing') {
        const open = alerts.findLastIndex((alert) => alert.name === change.rule.name);
        if (open >= 0) alerts.splice(open, 1);
      }
      alerts.push({
        name: change.rule.name,
        labels: change.labels,
        annotations: change.annotations,
        expr: change.rule.expr.source,
        forMs: change.rule.forMs,
        severity: change.labels.severity ?? '',
        pendingMs: change.pendingMs,
        ...(change.firingMs !== undefined && { firingMs: change.firingMs }),
        ...(change.state === 'resolved' && { resolvedMs: tMs }),
      });
    }
  }

  const windows = Array.from({ length: virtualMs / 10_000 }, (_, index) => {
    const fromMs = index * 10_000;
    const refused = fromMs >= limitedFrom && fromMs < 32 * MINUTE;
    const ok = Math.round(load(fromMs) * 10);
    return {
      fromMs,
      toMs: fromMs + 10_000,
      ok,
      fail: refused ? Math.round(2_100 + 200 * wave(fromMs, 30_000)) : 0,
      info: isSlow(fromMs) && index % 23 === 0 ? 3 : 0,
      p99Ms: (isSlow(fromMs) ? 262 : 9) * (1 + 0.05 * wave(fromMs, 30_000)),
    };
  });
  const sum = (key: 'ok' | 'fail' | 'info') => windows.reduce((total, window) => total + window[key], 0);
  const [ok, fail, info] = [sum('ok'), sum('fail'), sum('info')];

  return {
    version: 1,
    title: 'Slow WAL fsync',
    source: 'StemeDB runbook, "Slow WAL Fsync"',
    description:
      'The disk under the write-ahead log answers every fsync late. Nothing is lost; writers wait, and the operator sheds load until the disk is well again.',
    engine: 'stemedb',
    file: 'scenarios/stemedb/slow-fsync.yaml',
    scenario:
      'title: Slow WAL fsync\nengine: stemedb\nseed: 7\ntimeline:\n  - at: 5m\n    fault: disk.slow-sync\n    p99: 150ms\n    duration: 25m\n',
    seed: 7,
    commit: '951c67f0aa11bb22cc33',
    nodeVersion: '24.21.0',
    command: 'hotfire replay scenarios/stemedb/slow-fsync.yaml --seed 7',
    verdict: violated ? 'violated' : 'held',
    reasons: violated
      ? [
          'C1 acked-is-durable: record 4711 was acknowledged and is not in the log after recovery',
          'WALFsyncSlow is not resolved 2 minutes after the heal',
        ]
      : [],
    virtualMs,
    realMs: 3_184,
    events: 2_418_113,
    fingerprint: '9f3c01d27ab4e655',
    nodes: [
      { name: 'stemedb-1', role: 'engine' },
      ...[1, 2, 3, 4].map((index) => ({ name: `client-${index}`, role: 'client' as const })),
    ],
    timeline: timeline.sort((a, b) => a.atMs - b.atMs),
    faults: [
      {
        id: 1,
        name: 'disk.slow-sync',
        nodes: ['stemedb-1'],
        parameters: { p50Ms: 110, p99Ms: 150 },
        text: 'fsync on stemedb-1 takes 150 ms at p99',
        startMs: faultFrom,
        endMs: faultTo,
      },
    ],
    alerts,
    metrics: [...metrics].map(
      ([name, { help, type, series }]): MetricRecord => ({ name, help, type, series: [...series.values()] }),
    ),
    operations: {
      total: ok + fail + info,
      ok,
      fail,
      info,
      byName: {
        assert: { ok: Math.round(ok * 0.9), fail, info, latency: { count: ok, p50Ms: 118.2, p99Ms: 264, maxMs: 412 } },
        query: { ok: Math.round(ok * 0.1), fail: 0, info: 0, latency: { count: ok, p50Ms: 0.9, p99Ms: 2.4, maxMs: 9 } },
      },
      errors: { RATE_LIMITED: fail, WRITE_TIMEOUT: info },
      windows,
    },
    expectations: [
      {
        text: 'alert WALFsyncSlow fires within 11m30s of slow-sync',
        outcome: 'held',
        detail: 'fired after 10 min 30 s',
      },
      {
        text: 'alert WALFsyncSlow resolves within 2m of the heal',
        outcome: violated ? 'violated' : 'held',
        detail: violated ? 'it still fired at the end' : 'resolved after 15 s',
      },
      { text: 'log "slow fsync" on stemedb-1', outcome: 'held', detail: `${logLines} lines` },
      {
        text: 'rate(stemedb_assertions_total[1m]) <= 505 from operator to heal',
        outcome: 'held',
        detail: 'at most 501.2',
      },
    ],
    violations: violated
      ? [
          {
            check: 'C1 acked-is-durable',
            message: 'record 4711 was acknowledged at 31:02.4 and is not in the log after recovery',
            atMs: 33 * MINUTE,
            operations: [9_001, 9_002],
            evidence: { lsn: 4_711, acknowledgedAtMs: 1_862_400, recoveredLastLsn: 4_710 },
          },
          { check: 'C12 monotone', message: 'durable LSN fell from 4,711 to 4,710', atMs: 33 * MINUTE + 20 },
        ]
      : [],
    coverage: ['probe: rotation under load'],
    probes: [
      { name: 'gather met', reached: true },
      { name: 'gather missed', reached: true },
      { name: 'torn tail dropped', reached: false },
    ],
  };
}
