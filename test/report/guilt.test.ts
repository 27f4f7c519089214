import { describe, expect, it } from 'vitest';
import { plantedBugs } from '../../src/chaos/stemedb/plantedBugs.ts';
import type { Operation, Violation } from '../../src/checkers/history.ts';
import { faults } from '../../src/faults/registry.ts';
import { formatMoment } from '../../src/report/formatTime.ts';
import { type Guilt, guiltOf } from '../../src/report/guilt.ts';
import { postmortemMarkdown } from '../../src/report/postmortem.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { runScenario } from '../../src/scenario/runner.ts';
import type { FaultLogEntry, RunRecord, TimelineEntry } from '../../src/scenario/runRecord.ts';
import { stands } from '../../src/scenario/stands/registry.ts';
import { sampleRecord } from './sampleRecord.ts';

function fault(id: number, name: string, startMs: number, endMs?: number, node = 'stemedb-1'): FaultLogEntry {
  const entry = { id, name, nodes: [node], parameters: {}, text: `text of ${id}`, startMs };
  return endMs === undefined ? { ...entry, lastsMs: 0 } : { ...entry, endMs };
}

function operation(id: number, invokedAt: number, completedAt: number): Operation {
  const order = { invokedOrder: 2 * id, completedOrder: 2 * id + 1 };
  return { id, process: 1, f: 'assert', input: {}, invokedAt, completedAt, outcome: 'ok', ...order };
}

/** A run of ten seconds that was violated. */
function run(violations: readonly Violation[], more: Partial<RunRecord> = {}): RunRecord {
  const nodes = ['stemedb-1', 'stemedb-2'].map((name) => ({ name, role: 'engine' as const }));
  return {
    ...sampleRecord(),
    verdict: 'violated',
    virtualMs: 10_000,
    nodes,
    timeline: [],
    faults: [],
    alerts: [],
    violations,
    ...more,
  };
}

const lost: Violation = {
  check: 'C1 acked-is-durable',
  message: 'LSN 7 is missing',
  node: 'stemedb-1',
  fromMs: 3_215,
  atMs: 7_900,
  operations: [4],
};

function only(record: RunRecord): Guilt {
  const [guilt, ...rest] = guiltOf(record);
  if (guilt === undefined || rest.length > 0) throw new Error(`expected one stretch, got ${guiltOf(record).length}`);
  return guilt;
}

describe('where a run went wrong', () => {
  it('should be nowhere in a run that held', () => {
    expect(guiltOf(sampleRecord())).toEqual([]);
  });

  it('should be from the last moment that was well to the first that was not, with what was felt in it', () => {
    const restarts: TimelineEntry[] = [
      { atMs: 4_200, kind: 'crash', node: 'stemedb-1', text: 'stemedb-1: power loss' },
      { atMs: 4_500, kind: 'start', node: 'stemedb-1', text: 'stemedb-1 serves (process 2)' },
      { atMs: 4_600, kind: 'start', node: 'stemedb-2', text: 'stemedb-2 serves (process 2)' },
      { atMs: 8_000, kind: 'crash', node: 'stemedb-1', text: 'stemedb-1: killed' },
    ];
    const faults = [
      fault(0, 'disk.slow', 100, 500),
      fault(1, 'disk.sync-error', 3_300, 3_700),
      // What it brought down came up long after: it is a moment all the same.
      fault(2, 'process.power-loss', 4_200, 9_900),
      fault(3, 'process.kill', 8_000),
    ];
    const guilt = only(run([lost], { faults, timeline: restarts }));
    expect(guilt).toMatchObject({ check: lost.check, node: 'stemedb-1', fromMs: 3_215, toMs: 7_900, since: 'shown' });
    expect(guilt.faults.map(({ id }) => id)).toEqual([1, 2]);
    expect(guilt.states.map(({ atMs }) => atMs)).toEqual([4_200, 4_500]);
    expect(guilt.operations).toEqual([4]);
    expect(guilt.sentence).toBe(
      'C1 acked-is-durable: LSN 7 is missing. It came about between 3,215 ms, when all was still well, and 7,900 ms; ' +
        'in between: disk.sync-error (text of 1; 3,300 ms to 3,700 ms, its damage stays), process.power-loss (text of 2; at 4,200 ms); ' +
        'meanwhile: stemedb-1: power loss at 4,200 ms, stemedb-1 serves (process 2) at 4,500 ms.',
    );
  });

  it('should suspect the faults of the blamed node before those of others, and those that began nearest first', () => {
    const faults = [
      fault(0, 'disk.slow', 3_300, 4_000, 'stemedb-2'),
      fault(1, 'disk.slow', 1_000, 9_000),
      fault(2, 'network.loss', 5_000, 6_000, 'client-1'),
      fault(3, 'disk.stall', 3_000, 7_000),
    ];
    const guilt = only(run([lost], { faults }));
    expect(guilt.faults.map(({ id, isOnNode }) => [id, isOnNode])).toEqual([
      [3, true],
      [2, true],
      [1, true],
      [0, false],
    ]);
    expect(guilt.sentence).toContain('1 more');
  });

  it('should suspect a restart or a kill after what damages data, however near it was', () => {
    const faults = [
      fault(0, 'operator.restart', 3_220),
      fault(1, 'process.kill', 3_216),
      fault(2, 'disk.full', 500, 9_000),
      fault(3, 'disk.sync-error', 4_000, 4_100),
    ];
    expect(only(run([lost], { faults })).faults.map(({ id }) => id)).toEqual([3, 2, 1, 0]);
  });

  it('should suspect damage of the media for as long as it stays', () => {
    const faults = [fault(0, 'disk.bit-rot', 1_000), fault(1, 'clock.jump', 1_000)];
    const guilt = only(run([lost], { faults }));
    expect(guilt.faults.map(({ id }) => id)).toEqual([0]);
    expect(guilt.sentence).toContain('disk.bit-rot (text of 0; at 1,000 ms, its damage stays)');
    // A sync that failed or lied lets bytes go that were called durable: healing it does not bring them back.
    const syncs = [fault(0, 'disk.sync-error', 100, 200), fault(1, 'disk.lying-sync', 300, 400)];
    expect(only(run([lost], { faults: syncs })).faults.map(({ id, toMs }) => [id, toMs])).toEqual([
      [1, 400],
      [0, 200],
    ]);
  });

  it('should take what a fault did that lasts by itself for as long as it lasted', () => {
    const pause = { ...fault(0, 'process.memory', 3_000, 9_000), lastsMs: 100 };
    expect(only(run([lost], { faults: [pause] })).before?.toMs).toBe(3_100);
    const { lastsMs: _, ...unhealed } = fault(1, 'disk.slow', 1_000);
    expect(only(run([lost], { faults: [unhealed] })).faults[0]?.toMs).toBe(10_000);
  });

  it('should name the last fault before it when none was felt in it, and say when there was none at all', () => {
    const guilt = only(run([lost], { faults: [fault(0, 'disk.slow', 100, 500), fault(1, 'disk.stall', 600, 900)] }));
    expect(guilt.faults).toEqual([]);
    expect(guilt.before?.id).toBe(1);
    expect(guilt.sentence).toContain('no fault was felt in between; the last before it was disk.stall');
    expect(only(run([lost])).sentence).toContain('no fault was injected in this run: the engine did it by itself');
  });

  it('should not say of a run with faults that the engine did it by itself', () => {
    const elsewhere = fault(0, 'disk.slow', 100, 500, 'stemedb-2');
    const guilt = only(run([lost], { faults: [elsewhere, fault(1, 'disk.stall', 9_000, 9_500)] }));
    expect(guilt.before).toMatchObject({ id: 0, isOnNode: false });
    expect(guilt.sentence).toContain('the last before it was disk.slow on another node (text of 0; 100 ms to 500 ms)');
    const later = only(run([lost], { faults: [fault(0, 'disk.stall', 9_000, 9_500)] }));
    expect(later.sentence).toContain('; no fault came before it.');
    const both = [fault(0, 'disk.slow', 10, 50), fault(1, 'disk.slow', 100, 500, 'stemedb-2')];
    expect(only(run([lost], { faults: both })).before?.id).toBe(0);
  });

  it('should begin with the operations where the check shows no beginning, and say so where nothing does', () => {
    const { fromMs: _, atMs: __, ...bare } = lost;
    const history = [0, 1, 2, 3, 4].map((id) => operation(id, 1_000 * id, 1_000 * id + 10));
    expect(only(run([bare], { history }))).toMatchObject({ since: 'operation', fromMs: 4_000, toMs: 4_010 });
    expect(only(run([bare], { history })).sentence).toContain(
      'It came about between the call of operation 4 at 4,000 ms and 4,010 ms;',
    );
    expect(only(run([{ ...lost, atMs: Number.POSITIVE_INFINITY }])).toMs).toBe(10_000);
    const unknown = only(run([bare]));
    expect(unknown).toMatchObject({ since: 'none', fromMs: 0, toMs: 10_000 });
    expect(unknown.sentence).toContain('Since when cannot be told from this run; it was seen at 10,000 ms');
  });

  it('should begin a defect with the last start of the process that has it', () => {
    const timeline: TimelineEntry[] = [
      { atMs: 9, kind: 'start', node: 'stemedb-1', text: 'stemedb-1 serves (process 1)' },
      { atMs: 4_000, kind: 'start', node: 'stemedb-1', text: 'stemedb-1 serves (process 2)' },
      { atMs: 4_500, kind: 'start', node: 'stemedb-2', text: 'stemedb-2 serves (process 2)' },
      { atMs: 9_000, kind: 'start', node: 'stemedb-1', text: 'stemedb-1 serves (process 3)' },
    ];
    const defect: Violation = { check: 'no-defect', message: 'RangeError', node: 'stemedb-1', atMs: 5_000 };
    expect(only(run([defect], { timeline }))).toMatchObject({ since: 'shown', fromMs: 4_000, toMs: 5_000 });
    const { node: _, ...nobodys } = defect;
    expect(only(run([nobodys], { timeline })).since).toBe('none');
  });

  it('should be one stretch for each check and node, the first that was seen of each, the earliest first', () => {
    const later: Violation = { ...lost, check: 'C2 prefix', atMs: 9_000 };
    const record = run([later, lost, { ...lost, atMs: 5_000 }, { ...lost, node: 'stemedb-2', atMs: 8_000 }]);
    expect(guiltOf(record).map(({ check, node, toMs }) => [check, node, toMs])).toEqual([
      ['C1 acked-is-durable', 'stemedb-1', 5_000],
      ['C1 acked-is-durable', 'stemedb-2', 8_000],
      ['C2 prefix', 'stemedb-1', 9_000],
    ]);
  });

  it('should be from the first fault on when only an expectation did not come true', () => {
    const expectations = [{ text: 'finally: converges', outcome: 'violated' as const, detail: 'it did not' }];
    const timeline: TimelineEntry[] = [{ atMs: 9_000, kind: 'expectation', text: 'violated: finally: converges' }];
    const guilt = only(run([], { expectations, timeline, faults: [fault(0, 'disk.slow', 2_000, 3_000)] }));
    expect(guilt).toMatchObject({ check: 'finally: converges', since: 'none', fromMs: 2_000, toMs: 9_000 });
  });

  it('should write moments to the tenth of a millisecond', () => {
    expect([3_215, 0, 1_234_567.25, 999.96].map(formatMoment)).toEqual([
      '3,215 ms',
      '0 ms',
      '1,234,567.3 ms',
      '1,000 ms',
    ]);
  });

  it('should be in the postmortem: trigger, candidates, detection', () => {
    const faults = [fault(0, 'disk.slow', 100, 500), fault(1, 'disk.sync-error', 3_300, 3_700)];
    const text = postmortemMarkdown(run([lost], { faults }));
    expect(text).toContain(
      '`disk.sync-error`, 3,300 ms to 3,700 ms: text of 1, before C1 acked-is-durable was violated',
    );
    expect(text).toMatch(/^### C1 acked-is-durable on stemedb-1$/m);
    expect(text).toContain('Operations that show it: 4.');
    expect(text).toContain(
      '- C1 acked-is-durable was seen broken at 7,900 ms by the check itself; no alert fired by then.',
    );
  });
});

/** Bugs of five kinds; the guilty stretch holds the misdeed and names what provoked it. */
describe('the guilty stretch of a planted bug', { timeout: 60_000 }, () => {
  /** A smallest run of a bug. */
  interface Smallest {
    readonly lines: readonly string[];
    /** A moment at which the bug does its harm. */
    readonly misdeedMs: number;
  }
  /** Writers enough, on a disk slow enough, that some always queue behind the one that fails. */
  function play(lines: readonly string[], mutant: string): Promise<RunRecord> {
    const text = `
title: A planted bug
engine: stemedb
seed: 21
duration: 7s
cluster:
  config:
    server: { request_timeout_ms: 1000 }
    wal: { segment_bytes: 1048576, max_record_bytes: 65536, group_commit_max_bytes: 4096 }
    drain: { lame_duck_ms: 50 }
  devices: { wal: { bytes: 256MiB, flush latency: 20 }, store: { bytes: 64MiB } }
load: { writers: 24, think: 10ms, text: 600, readers: 2, clients: 2 }
timeline: [${lines.join(', ')}]`;
    const vocabulary = { stands, faults, rules: () => 'groups: []' };
    return runScenario(loadScenario(text, vocabulary), { mutants: [mutant], observe: true });
  }
  const failedSync = '{ at: 2s, fault: disk.sync-error, with: { device: sdb, variant: keep }, duration: 1s }';
  const full = '{ at: 2s, fault: disk.full, with: { device: sdb, at: write, freeBytes: 64MiB }, duration: 1s }';
  const restart = '{ at: 6s, operator: systemctl restart stemedb-api }';
  const smallest: Readonly<Record<string, Smallest>> = {
    'recovery-not-synced': {
      lines: [
        '{ at: 2s, fault: disk.sync-error, with: { device: sdb, variant: keep }, duration: 200ms }',
        '{ at: 2100ms, fault: process.kill, restart: 200ms }',
        '{ at: 2500ms, fault: process.power-loss, restart: 200ms }',
      ],
      // It has served since 2,321 ms what only the page cache had, which goes with the power.
      misdeedMs: 2_499,
    },
    // The sync that is tried again follows the one that failed.
    'retry-sync': { lines: [failedSync, restart], misdeedMs: 2_030 },
    // Space is back, and nobody looks.
    'read-only-forever': { lines: [full], misdeedMs: 3_500 },
    'leak-handle': {
      lines: ['{ at: 2s, fault: process.power-loss, mode: tear, restart: 200ms }'],
      // The start reads the torn segment.
      misdeedMs: 2_205,
    },
    'submitted-as-not-applied': { lines: [failedSync, restart], misdeedMs: 2_030 },
  };

  it.each(plantedBugs)('$kind: $mutant', async ({ mutant, check, provokedBy }) => {
    const { lines, misdeedMs } = smallest[mutant] ?? { lines: [], misdeedMs: Number.NaN };
    expect(lines.filter((line) => line.includes('fault:')).length).toBeLessThanOrEqual(3);
    const record = await play(lines, mutant);
    const guilt = guiltOf(record).find((each) => each.check === check);
    if (guilt === undefined) throw new Error(`${check} did not see it: ${record.reasons.join('\n')}`);
    expect(guilt.since).toBe('shown');
    expect(guilt.node).toBe('stemedb-1');
    expect(guilt.fromMs).toBeLessThanOrEqual(misdeedMs);
    expect(guilt.toMs).toBeGreaterThanOrEqual(misdeedMs);
    // It is not the whole run that is blamed.
    expect(guilt.toMs - guilt.fromMs).toBeLessThan(record.virtualMs * 0.8);
    expect(guilt.faults[0]?.name).toBe(provokedBy);
    expect(guilt.sentence).toContain(provokedBy);
  });
});
