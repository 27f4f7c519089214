import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { hasPromtool } from '../../scenario/promql/promtool.ts';

const FILE = resolve('alerts/indexbus.yaml');
const own = 'region="eu",router_id="r1"';

/** For each alert: series a quarter of a minute apart under which it fires, and when it is looked for. */
const incidents: Readonly<Record<string, { series: Readonly<Record<string, string>>; at: string }>> = {
  IndexBusLaneDropsFull: {
    series: { [`indexbus_drops_full_total{${own},lane="2",policy="newest"}`]: '0+60x20' },
    at: '3m',
  },
  IndexBusAllLanesFull: { series: { [`indexbus_drops_all_full_total{${own},lane="group"}`]: '0+30x20' }, at: '3m' },
  IndexBusNoCreditDrops: { series: { [`indexbus_drops_no_credit_total{${own},lane="2"}`]: '0+60x20' }, at: '3m' },
  IndexBusCreditBackpressure: {
    series: {
      [`indexbus_credit_waits_total{${own},producer="0"}`]: '0+60x80',
      [`indexbus_sent_total{${own},producer="0"}`]: '0+1500x80',
    },
    at: '15m',
  },
  IndexBusDetachSpike: { series: { [`indexbus_detaches_total{${own},reason="dead"}`]: '0+1x20' }, at: '4m' },
  IndexBusQueueGrowing: {
    series: { [`indexbus_qdepth{${own}}`]: '6000+100x40', [`indexbus_qdepth_limit{${own}}`]: '10000x40' },
    at: '8m',
  },
  IndexBusLaneOld: { series: { [`indexbus_lane_oldest_seconds{${own},lane="2"}`]: '6x20' }, at: '3m' },
  IndexBusRouterDown: { series: { 'up{job="indexbus",instance="a"}': '0x20' }, at: '2m' },
  IndexBusRouterStalled: { series: { [`indexbus_router_loop_age_seconds{${own}}`]: '6x20' }, at: '1m' },
  IndexBusRouterSaturated: {
    series: {
      [`indexbus_router_busy_ratio{${own}}`]: '0.99x20',
      [`indexbus_bottleneck{${own},side="internal"}`]: '1x20',
      [`indexbus_bottleneck{${own},side="none"}`]: '0x20',
    },
    at: '3m',
  },
  IndexBusControlPlaneUnreachable: { series: { [`indexbus_control_plane_up{${own}}`]: '0x20' }, at: '3m' },
  IndexBusAgentMissing: { series: { [`indexbus_agents{${own},environment="e",state="missing"}`]: '1x20' }, at: '3m' },
  IndexBusAgentConflict: { series: { [`indexbus_agents{${own},environment="e",state="conflict"}`]: '1x20' }, at: '1m' },
  IndexBusSeatDoubtful: { series: { [`indexbus_seats{${own},kind="consumer",state="doubtful"}`]: '1x20' }, at: '3m' },
  IndexBusPoolExhausted: { series: { [`indexbus_pool_free_slots{${own},producer="0"}`]: '0x20' }, at: '3m' },
  IndexBusRemoteMemory: { series: { [`indexbus_seat_remote_node{${own},kind="consumer"}`]: '1x40' }, at: '8m' },
  IndexBusTuningNotApplied: { series: { [`indexbus_tuning_applied{${own},item="hugePages"}`]: '0x40' }, at: '8m' },
  IndexBusSegmentRetired: {
    series: { [`indexbus_segments_retired_total{${own},reason="corrupt"}`]: '0 0 0 1x20' },
    at: '3m',
  },
};

interface RuleFile {
  readonly groups: readonly { readonly rules: readonly { readonly alert?: string; readonly expr: string }[] }[];
}

describe('alert rules of indexbus', () => {
  const alerts = (parse(readFileSync(FILE, 'utf8')) as RuleFile).groups.flatMap(({ rules }) =>
    rules.flatMap(({ alert }) => alert ?? []),
  );

  it('should have an incident for each rule', () => {
    expect([...alerts].sort()).toEqual(Object.keys(incidents).sort());
  });

  it.skipIf(!hasPromtool)('should fire in their incidents and not in quiet, as promtool judges', () => {
    const directory = mkdtempSync(join(tmpdir(), 'hotfire-alerts-'));
    try {
      const cases = Object.entries(incidents).map(([name, { series, at }]) => ({
        interval: '15s',
        input_series: Object.entries(series).map(([of, values]) => ({ series: of, values })),
        promql_expr_test: [
          {
            expr: `count(ALERTS{alertname="${name}",alertstate="firing"})`,
            eval_time: at,
            exp_samples: [{ labels: '{}', value: 1 }],
          },
          { expr: `count(ALERTS{alertname="${name}"})`, eval_time: '0s', exp_samples: quietAtFirst(name) },
        ],
      }));
      const file = join(directory, 'test.yaml');
      writeFileSync(file, stringify({ rule_files: [FILE], evaluation_interval: '15s', tests: cases }));
      const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', file], { encoding: 'utf8' });
      expect(`${stdout}${stderr}`).not.toContain('FAILED');
      expect(status).toBe(0);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

/** What is wrong from its first sample pends, or fires, at once. */
function quietAtFirst(name: string): { labels: string; value: number }[] {
  const rates = [
    'LaneDropsFull',
    'AllLanesFull',
    'NoCreditDrops',
    'CreditBackpressure',
    'DetachSpike',
    'QueueGrowing',
    'SegmentRetired',
  ];
  return rates.includes(name.slice('IndexBus'.length)) ? [] : [{ labels: '{}', value: 1 }];
}
