import { describe, expect, it } from 'vitest';
import { AgentList, type AgentReport } from '../../../src/engines/indexbus/agents.ts';
import { judgeBottleneck } from '../../../src/engines/indexbus/http/bottleneck.ts';
import { reportSchema } from '../../../src/engines/indexbus/report.ts';

const report = (router: string, incarnation = 'first'): AgentReport => ({
  router_id: router,
  region: 'eu',
  environment: 'default',
  segment: 'bus',
  host: 'h',
  version: '1',
  incarnation,
  duty: 'router',
  admin: '127.0.0.1:9109',
  heartbeat_ms: 1_000,
  counters: {},
  qdepth: 0,
  tuning: [],
});
const stateOf = (list: AgentList, now: number, router = 'r1') =>
  list.views(now, ['r1']).find((it) => it.router_id === router)?.state;

describe('the list of agents', () => {
  it('should go from online to late to offline by heartbeats, and never forget', () => {
    const list = new AgentList();
    expect(stateOf(list, 0)).toBe('missing');
    list.report(report('r1'), 0);
    expect(stateOf(list, 3_000)).toBe('online');
    expect(stateOf(list, 3_001)).toBe('late');
    expect(stateOf(list, 12_000)).toBe('late');
    expect(stateOf(list, 12_001)).toBe('offline');
    list.report(report('r1'), 20_000);
    expect(stateOf(list, 20_000)).toBe('online');
  });

  it('should tell a restart from a router_id that is used twice', () => {
    const list = new AgentList();
    list.report(report('r1', 'a'), 0);
    list.report(report('r1', 'b'), 1_000);
    expect(stateOf(list, 1_000)).toBe('online');
    // The former one speaks again: it was no restart.
    list.report(report('r1', 'a'), 1_500);
    expect(stateOf(list, 1_500)).toBe('conflict');
    list.report(report('r1', 'b'), 2_000);
    expect(stateOf(list, 2_000)).toBe('conflict');
    // One of them is renamed.
    for (let now = 3_000; now <= 6_000; now += 1_000) list.report(report('r1', 'b'), now);
    expect(stateOf(list, 6_000)).toBe('online');
  });
});

describe('a report', () => {
  it('should name what a configuration can name, and have nothing that a terminal obeys', () => {
    expect(reportSchema.parse(report('r1'))).toEqual(report('r1'));
    for (const key of ['router_id', 'region', 'environment', 'segment', 'host', 'version', 'incarnation', 'admin']) {
      for (const value of ['a\u001b[2J', 'a\u009b', 'a\n', 'a\u202eb']) {
        expect([key, reportSchema.safeParse({ ...report('r1'), [key]: value }).success]).toEqual([key, false]);
      }
    }
    for (const key of ['router_id', 'region', 'environment', 'segment']) {
      for (const value of ['', 'a b', 'a'.repeat(64)]) {
        expect([key, reportSchema.safeParse({ ...report('r1'), [key]: value }).success]).toEqual([key, false]);
      }
    }
  });
});

describe('the bottleneck', () => {
  const lane = { lane: 1, name: 'c1', depth: 0, limit: 100, refused: 0 };
  const source = { producer: 0, name: 'p', depth: 0, slots: 100, waits: 0 };
  const sideOf = (facts: Partial<Parameters<typeof judgeBottleneck>[0]>) =>
    judgeBottleneck({ lanes: [lane], sources: [source], busyRatio: 0.1, ...facts }).side;

  it('should look downstream first, then inside, then upstream', () => {
    expect(sideOf({})).toBe('none');
    expect(sideOf({ lanes: [{ ...lane, depth: 80 }] })).toBe('downstream');
    expect(sideOf({ lanes: [{ ...lane, refused: 1 }], sources: [{ ...source, depth: 99 }], busyRatio: 1 })).toBe(
      'downstream',
    );
    expect(sideOf({ sources: [{ ...source, depth: 80 }], busyRatio: 0.9 })).toBe('internal');
    expect(sideOf({ sources: [{ ...source, depth: 80 }], busyRatio: 0.89 })).toBe('upstream');
    expect(sideOf({ sources: [{ ...source, waits: 1 }] })).toBe('upstream');
    expect(sideOf({ lanes: [{ ...lane, depth: 79 }], sources: [{ ...source, depth: 79 }], busyRatio: 1 })).toBe('none');
  });
});
