import { describe, expect, it } from 'vitest';
import { readVocabulary } from '../../src/cli/vocabulary.ts';
import { createCoverage, engineStateOf } from '../../src/scenario/coverage.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { runScenario } from '../../src/scenario/runner.ts';
import type { FaultLogEntry } from '../../src/scenario/runRecord.ts';

function fault(id: number, name: string, nodes: readonly string[]): FaultLogEntry {
  return { id, name, nodes, parameters: {}, text: name, startMs: 0 };
}

describe('coverage of (fault, engine state)', () => {
  it('should pair a fault with the state that it finds and each that comes while it is open, on its nodes alone', () => {
    const states = new Map([
      ['a', 'ok'],
      ['b', 'ok'],
    ]);
    const coverage = createCoverage(['a', 'b'], (node) => states.get(node) ?? 'none');
    const stall = fault(0, 'disk.stall', ['a']);
    coverage.look();
    coverage.begins(stall);
    states.set('a', 'slow');
    states.set('b', 'failed');
    coverage.look();
    coverage.ends(stall);
    states.set('a', 'rotating');
    coverage.look();
    expect([...coverage.pairs]).toEqual(['disk.stall × ok', 'disk.stall × slow']);
  });

  it('should see what a fault meets between its own changes: two faults open at once, each with its own end', () => {
    let state = 'ok';
    const coverage = createCoverage(['a'], () => state);
    const [first, second] = [fault(0, 'disk.slow', ['a']), fault(1, 'process.kill', ['a'])];
    coverage.begins(first);
    coverage.begins(second);
    coverage.ends(second);
    state = 'down';
    coverage.look();
    coverage.ends(first);
    expect([...coverage.pairs].sort()).toEqual(['disk.slow × down', 'disk.slow × ok', 'process.kill × ok']);
  });

  it('should leave the machines of clients alone, which have no engine', () => {
    const coverage = createCoverage(['a'], (node) => {
      if (node !== 'a') throw new Error(`no node ${node}`);
      return 'ok';
    });
    const skew = fault(0, 'clock.drift', ['client-1', 'a']);
    coverage.begins(skew);
    coverage.look();
    coverage.ends(skew);
    expect([...coverage.pairs]).toEqual(['clock.drift × ok']);
  });

  it('should speak of a node that does not run without asking its engine', () => {
    const asked = () => {
      throw new Error('asked');
    };
    expect((['stopped', 'crashed', 'exited'] as const).map((state) => engineStateOf(state, asked))).toEqual([
      'down',
      'down',
      'down',
    ]);
    expect(engineStateOf('starting', asked)).toBe('starting');
    expect(engineStateOf('up', () => 'rotating')).toBe('rotating');
    expect(engineStateOf('up', () => undefined)).toBe('up');
  });

  it('should tell of a run of stemedb which states its faults met, which probes and fault points it reached', async () => {
    const scenario = loadScenario(
      `title: T
engine: stemedb
seed: 3
duration: 40s
buggify: true
cluster: { config: { wal: { segment_bytes: 262144, max_record_bytes: 65536 }, index: { snapshot_bytes: 65536 } } }
load: { writers: 6, think: 20ms }
timeline:
  - { at: 5s, fault: disk.stall, duration: 3s }
  - { at: 12s, fault: process.kill, nodes: one, duration: 2s }
  - { at: 11s, fault: network.latency, nodes: client-1, with: { mean: 1ms }, duration: 1s }
  - { at: 13s, fault: disk.slow, with: { add: 80ms }, duration: 10s }
`,
      readVocabulary(),
    );
    const { coverage, verdict } = await runScenario(scenario);
    expect(verdict).toBe('held');
    expect(coverage).toEqual([...new Set(coverage)].sort());
    expect(coverage).toEqual(
      expect.arrayContaining([
        'probe: gather met',
        'disk.stall × slow',
        'process.kill × ok',
        'process.kill × starting',
        'disk.slow × down',
        'disk.slow × rotating',
      ]),
    );
    expect(coverage.some((item) => item.startsWith('buggify: '))).toBe(true);
    expect(coverage).not.toContain('disk.stall × down');
  });
});
