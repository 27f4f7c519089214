import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAlertEvaluator } from '../../../src/scenario/alerts/alertEvaluator.ts';
import { evaluateVector } from '../../../src/scenario/promql/evaluate.ts';
import { labelKey } from '../../../src/scenario/promql/labels.ts';
import { SeriesStore } from '../../../src/scenario/promql/seriesStore.ts';
import { INTERVAL_MS, POINTS, world } from '../promql/generators.ts';
import {
  askPromtool,
  hasPromtool,
  type InputSeries,
  type PromtoolCase,
  type PromtoolSample,
  promtoolSemantics,
} from '../promql/promtool.ts';
import { stemedbIncidents } from './stemedbIncidents.ts';
import { streambusIncidents } from './streambusIncidents.ts';

const SEED = 20_261_121;
/** The rule files of the engines, and incidents in which each of their rules fires. */
const ENGINES = [
  ['alerts/stemedb.yaml', stemedbIncidents],
  ['alerts/streambus.yaml', streambusIncidents],
] as const;

/**
 * Rules with every part of the life cycle: no `for`, long ones, keep_firing_for, recording rules that others use.
 * One group: promtool evaluates every group at every step, whatever its interval, in no stated order.
 */
const RULES = `
groups:
  - name: all
    interval: 15s
    rules:
      - record: instance:c:rate1m
        expr: sum by (instance) (rate(c_total[1m]))
        labels: { origin: recorded }
      - record: job:c:max
        expr: max by (job) (c_total) > 1000
      - alert: AtOnce
        expr: g > 20
        labels: { severity: critical }
        annotations: { summary: '{{ $labels.instance }} is at {{ $value }}' }
      - alert: After30s
        expr: g > 0
        for: 30s
        labels: { severity: warning, level: '{{ $labels.zone }}-{{ $value | humanize }}' }
        annotations:
          summary: 'p {{ $value | humanizePercentage }}, d {{ $value | humanizeDuration }}, f {{ printf "%.3f" $value }}'
      - alert: After1m
        expr: instance:c:rate1m{origin="recorded"} > 1 or limit < -30
        for: 1m
        annotations: { summary: 'rate {{ $value | humanize }} on {{ $labels.instance }}{{ $labels.none }}' }
      - alert: Kept
        expr: g2 > 10
        for: 30s
        keep_firing_for: 1m
        labels: { job: '' }
      - alert: SeesAlerts
        expr: count(ALERTS{alertstate="firing"}) > 3
        annotations: { summary: '{{ $value }} alerts' }
      - alert: Missing
        expr: absent(c_total{job="x", instance="a"})
        for: 30s
      - record: alerts:pending
        expr: count by (alertname) (ALERTS{alertstate="pending"})
`;

const ALERT_NAMES = ['AtOnce', 'After30s', 'After1m', 'Kept', 'SeesAlerts', 'Missing'];
const QUERIES = [
  'ALERTS',
  '{__name__=~"instance:.*|job:.*"}',
  'alerts:pending',
  'ALERTS_FOR_STATE{alertname="After1m"}',
  'ALERTS_FOR_STATE{alertname="Kept"}',
];

describe.skipIf(!hasPromtool)('alert rules against promtool (skipped without promtool)', () => {
  it('should give the same alerts, recorded series and annotations in generated worlds', () => {
    const times = fc.uniqueArray(fc.integer({ min: 0, max: POINTS }), { minLength: 12, maxLength: 12 });
    const generated = fc.sample(fc.record({ series: world, times }), { seed: SEED, numRuns: 12 });
    const cases = generated.map(({ series, times: steps }) => caseOf(series, steps, INTERVAL_MS, ALERT_NAMES, QUERIES));

    const { differences, firing } = compare(RULES, cases);

    expect(differences.slice(0, 3).join('\n'), `${differences.length} differ`).toBe('');
    expect([...firing].sort()).toEqual([...ALERT_NAMES].sort());
  });

  it.each(ENGINES)('should give the same for %s, with every rule firing in some incident', (file, incidents) => {
    const rules = readFileSync(file, 'utf8');
    const names = createAlertEvaluator(rules).rules.map((rule) => rule.name);
    const cases = incidents().map(({ series, intervalMs, steps }) =>
      caseOf(series, steps, intervalMs, names, ['ALERTS', '{__name__=~"instance:.*"}']),
    );

    const { differences, firing } = compare(rules, cases);

    expect(differences.slice(0, 3).join('\n'), `${differences.length} differ`).toBe('');
    expect([...firing].sort()).toEqual([...names].sort());
  });

  it.each(ENGINES)('should pass promtool check rules: %s', (file) => {
    const run = spawnSync('promtool', ['check', 'rules', file], { encoding: 'utf8' });
    expect(run.status, run.stderr).toBe(0);
  });
});

function caseOf(
  series: readonly InputSeries[],
  steps: readonly number[],
  intervalMs: number,
  names: readonly string[],
  queries: readonly string[],
): PromtoolCase {
  const ascending = [...steps].sort((a, b) => a - b);
  return {
    intervalMs,
    series,
    queries: ascending.flatMap((step) => queries.map((expr) => ({ expr, atMs: step * intervalMs }))),
    alerts: ascending.flatMap((step) => names.map((name) => ({ name, atMs: step * intervalMs }))),
  };
}

/** Runs both over the same series and lists what differs, and which alerts fired at all. */
function compare(rules: string, cases: readonly PromtoolCase[]): { differences: string[]; firing: Set<string> } {
  const differences: string[] = [];
  const firing = new Set<string>();
  askPromtool(cases, rules).forEach((answer, index) => {
    const testCase = cases[index];
    if (!testCase) return;
    const ours = runOurs(rules, testCase);
    testCase.queries.forEach(({ expr, atMs }, position) => {
      const theirs = answer.queries[position] ?? 'error';
      const [a, b] = [describeSamples(ours.queries[position] ?? 'error'), describeSamples(theirs)];
      if (a !== b) differences.push(`case ${index}, ${atMs / 1_000} s, ${expr}\n  promtool: ${b}\n  ours:     ${a}`);
    });
    testCase.alerts?.forEach(({ name, atMs }, position) => {
      const theirs = JSON.stringify((answer.alerts[position] ?? []).map(canonical).sort());
      const mine = JSON.stringify((ours.alerts[position] ?? []).map(canonical).sort());
      if (mine !== '[]') firing.add(name);
      if (mine !== theirs)
        differences.push(`case ${index}, ${atMs / 1_000} s, alert ${name}\n  promtool: ${theirs}\n  ours:     ${mine}`);
    });
  });
  return { differences, firing };
}

type Alert = { labels: Readonly<Record<string, string>>; annotations: Readonly<Record<string, string>> };

function runOurs(rules: string, testCase: PromtoolCase) {
  const { intervalMs } = testCase;
  const evaluator = createAlertEvaluator(rules, { semantics: promtoolSemantics });
  const store = new SeriesStore();
  const queries: (readonly PromtoolSample[])[] = [];
  const alerts: Alert[][] = [];
  const last = Math.max(...testCase.queries.map(({ atMs }) => atMs)) / intervalMs;
  for (let step = 0; step <= last; step += 1) {
    const tMs = step * intervalMs;
    for (const { name, labels, points } of testCase.series) {
      const point = points[step];
      if (point === 'stale') store.markStale(name, labels, tMs);
      else if (typeof point === 'number') store.append(name, labels, tMs, point);
    }
    evaluator.step(tMs, store);
    testCase.queries.forEach(({ expr, atMs }, position) => {
      if (atMs === tMs) queries[position] = evaluateVector(expr, store, tMs, { semantics: promtoolSemantics });
    });
    testCase.alerts?.forEach(({ name, atMs }, position) => {
      if (atMs === tMs)
        alerts[position] = evaluator.active().filter((alert) => alert.state === 'firing' && alert.rule.name === name);
    });
  }
  return { queries, alerts };
}

function describeSamples(samples: readonly PromtoolSample[] | 'error'): string {
  if (samples === 'error') return 'error';
  return samples
    .map(({ labels, value }) => `{${labelKey(labels)}} ${value.toPrecision(9)}`)
    .sort()
    .join(', ');
}

function canonical({ labels, annotations }: Alert): string {
  return `${labelKey(labels)} ${labelKey(annotations)}`;
}
