import { describe, expect, it } from 'vitest';
import { faults } from '../../../../src/faults/registry.ts';
import { loadScenario } from '../../../../src/scenario/load.ts';
import { runScenario } from '../../../../src/scenario/runner.ts';
import type { RunRecord } from '../../../../src/scenario/runRecord.ts';
import { stands } from '../../../../src/scenario/stands/registry.ts';

const vocabulary = { stands, faults, rules: () => 'groups: []' };

function play(nodes: number, more: string, mutants: readonly string[] = []): Promise<RunRecord> {
  const text = `
title: A fleet
engine: stemedb
seed: 11
duration: 6s
cluster:
  nodes: ${nodes}
  config:
    server: { request_timeout_ms: 1000 }
    wal: { segment_bytes: 1048576, max_record_bytes: 65536 }
    drain: { lame_duck_ms: 50 }
  devices: { wal: { bytes: 64MiB }, store: { bytes: 64MiB } }
load: { writers: 3, think: 60ms, batches: 20, batch: 4, readers: 1, clients: 2 }
${more}`;
  return runScenario(loadScenario(text, vocabulary), { mutants, observe: true });
}

function detailOf(record: RunRecord, name: string): string {
  return record.expectations.find((result) => result.text === name)?.detail ?? 'no such check';
}

describe('a fleet of stemedb', () => {
  it('should load every node from clients of its own and judge each by itself', async () => {
    const record = await play(3, 'timeline: []');
    expect(record.reasons).toEqual([]);
    expect(record.verdict).toBe('held');
    for (const node of ['stemedb-1', 'stemedb-2', 'stemedb-3']) {
      expect(detailOf(record, 'ack-after-sync')).toMatch(new RegExp(`${node}: [1-9]\\d* acknowledgements`));
    }
  });

  it('should give the first node the clients that it has alone', async () => {
    const alone = await play(1, 'timeline: []');
    const fleet = await play(3, 'timeline: []');
    const acked = (record: RunRecord): number => Number(/([\d]+) ack/.exec(detailOf(record, 'acked-is-durable'))?.[1]);
    expect(acked(fleet)).toBeGreaterThan(acked(alone) * 0.8);
    expect(fleet.operations.ok).toBeGreaterThan(alone.operations.ok * 2.4);
  });

  it('should hold when power, syncs and processes fail on some, and play the same twice', async () => {
    const timeline = `
timeline:
  - { at: 1s, fault: process.power-loss, nodes: minority, restart: 200ms, mode: corrupt }
  - { at: 2s, fault: disk.sync-error, nodes: one, device: sdb, variant: revert }
  - { at: 3s, fault: process.kill, nodes: majority, restart: 200ms }
  - { at: 4s, fault: disk.stall, nodes: all, duration: 500ms }
  - { at: 5s, operator: systemctl restart stemedb-api, on: all }`;
    const record = await play(5, timeline);
    expect(record.reasons).toEqual([]);
    expect(record.faults.map((fault) => fault.nodes.length)).toEqual([2, 1, 3, 5]);
    expect((await play(5, timeline)).fingerprint).toBe(record.fingerprint);
  });

  it('should blame a node for what it did, and nobody else', async () => {
    // The bug is in all of them; only where a sync fails does it do harm.
    const timeline = `
timeline:
  - { at: 2s, fault: disk.sync-error, nodes: stemedb-2, device: sdb, variant: keep }
expect: { checks: [fail-stop] }`;
    const record = await play(3, timeline, ['retry-sync']);
    expect(record.verdict).toBe('violated');
    expect([...new Set(record.violations.map((violation) => violation.node))]).toEqual(['stemedb-2']);
    for (const { message } of record.violations) expect(message).toMatch(/^stemedb-2: /);
  });

  it('should not let the fault of one node excuse another', async () => {
    // A slow disk excuses a slow answer: on the node that has it.
    const timeline = `
timeline:
  - { at: 1s, fault: disk.slow, nodes: stemedb-3, add: 50ms, duration: 5s }
expect: { checks: [latency] }`;
    const record = await play(3, timeline, ['fixed-wait']);
    expect([...new Set(record.violations.map((violation) => violation.node))].sort()).toEqual([
      'stemedb-1',
      'stemedb-2',
    ]);
  });
});
