import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { postmortemMarkdown } from '../../src/report/postmortem.ts';
import { responseTimes } from '../../src/report/responseTimes.ts';
import type { FaultLogEntry, OperationsSummary, RunRecord, TimelineEntry } from '../../src/scenario/runRecord.ts';
import { sampleRecord } from './sampleRecord.ts';

/** What the four incidents left, in short: their timelines, faults, alerts, and how many operations came out how in each stretch. */
type Incident = Pick<RunRecord, 'virtualMs' | 'timeline' | 'faults' | 'alerts' | 'operations'>;

const incidents: Readonly<Record<string, Incident>> = JSON.parse(
  readFileSync(new URL('incidents.json', import.meta.url), 'utf8'),
);

function incident(name: string): RunRecord {
  const found = incidents[name];
  if (found === undefined) throw new Error(`no incident ${name}`);
  const nodes = [{ name: 'stemedb-1', role: 'engine' as const }];
  return { ...sampleRecord(), title: name, nodes, expectations: [], violations: [], ...found };
}

/** Expected values are read off the timelines by hand. */
describe('response times of an incident', () => {
  it('should not let a node recover that stays down, nor call a start that failed a mitigation', () => {
    // Writes are lost from 1:00 on and nobody heals that; the power goes at 1:15, the start at 1:20 ends with 65.
    const times = responseTimes(incident('last-ack-lost'));
    expect(times).toMatchObject({
      trigger: { kind: 'fault', startMs: 60_000, fault: { name: 'disk.lost-write' } },
      toDetectMs: undefined,
      toMitigateMs: undefined,
      toRecoverMs: undefined,
    });
    expect(times.unrecovered).toEqual([
      'disk.lost-write was not healed (100% of writes are lost silently on sdb of stemedb-1)',
      expect.stringMatching(/^stemedb-1 was down \(stemedb-1 exits with 65: WalCorruption/),
      expect.stringMatching(/^\d+ of the last \d+ operations were refused or in doubt$/),
    ]);
    const text = postmortemMarkdown(incident('last-ack-lost'));
    expect(text).toContain('| time to recover | it was not |');
    expect(text).not.toContain('Everything had cleared');
    expect(text).toContain('- At the end stemedb-1 was down');
  });

  it('should not call a look at the health route a mitigation', () => {
    // Full from 2:00 to 6:00; WALReadOnly fires at 3:16, both alerts are resolved at 6:16, nobody is refused after 6:00.
    expect(responseTimes(incident('disk-full'))).toMatchObject({
      trigger: { kind: 'fault', startMs: 120_000 },
      toDetectMs: 76_000,
      toMitigateMs: undefined,
      toRecoverMs: 256_000,
      unrecovered: [],
    });
  });

  it('should take the limit for the mitigation, not the look at the metrics just before it', () => {
    // Slow from 2:00 to 20:00; WALFsyncSlow fires at 12:16, the limit comes 0.94 ms after it, WALFsyncDegrading ends at 21:01.
    const times = responseTimes(incident('slow-fsync'));
    expect(times).toMatchObject({ toDetectMs: 616_000, toRecoverMs: 1_141_000 });
    expect(times.toMitigateMs).toBeCloseTo(616_000.94, 1);
  });

  it('should find the trigger in what an operator did, where no fault was injected', () => {
    // dd at 2:00 fills the disk and fails; both alerts fire at 3:16, rm follows at once, they are resolved at 3:31.
    const record = incident('dd-in-wal-dir');
    expect(responseTimes(record)).toMatchObject({
      trigger: { kind: 'operator', startMs: 120_000, command: expect.stringMatching(/^dd if=/) },
      toDetectMs: 76_000,
      toMitigateMs: 76_000,
      toRecoverMs: 91_000,
    });
    expect(postmortemMarkdown(record)).toContain('The operator, 2:00.0: `dd if=/dev/zero');
  });
});

describe('recovery', () => {
  const windows = (shares: readonly number[]): OperationsSummary => ({
    ...sampleRecord().operations,
    windows: shares.map((bad, index) => ({
      fromMs: index * 1_000,
      toMs: (index + 1) * 1_000,
      ok: 100 - bad,
      fail: bad,
      info: 0,
      p99Ms: 1,
    })),
  });
  const kill: FaultLogEntry = {
    id: 0,
    name: 'process.kill',
    nodes: ['stemedb-1'],
    parameters: {},
    text: 'SIGKILL',
    startMs: 2_000,
    lastsMs: 0,
  };
  const run = (shares: readonly number[], timeline: readonly TimelineEntry[], more: Partial<FaultLogEntry> = {}) =>
    responseTimes({
      ...sampleRecord(),
      virtualMs: 6_000,
      alerts: [],
      faults: [{ ...kill, ...more }],
      timeline,
      operations: windows(shares),
    });
  const crash: TimelineEntry = { atMs: 2_000, kind: 'crash', node: 'stemedb-1', text: 'stemedb-1: killed' };
  const start: TimelineEntry = { atMs: 2_700, kind: 'start', node: 'stemedb-1', text: 'stemedb-1 serves' };

  it('should wait for the node, and for the clients to be no worse off than before', () => {
    expect(run([0, 0, 0, 0, 0, 0], [crash, start]).toRecoverMs).toBe(700);
    expect(run([0, 0, 0, 0, 0, 0], [crash]).toRecoverMs).toBeUndefined();
    expect(run([5, 5, 60, 20, 5, 5], [crash, start]).toRecoverMs).toBe(2_000);
    expect(run([5, 5, 60, 20, 5, 6], [crash, start]).toRecoverMs).toBeUndefined();
  });

  it('should wait for a fault for as long as it is felt, not for its healing', () => {
    expect(run([0, 0, 0, 0, 0, 0], [], { lastsMs: 1_500, endMs: 5_900 }).toRecoverMs).toBe(1_500);
    expect(run([0, 0, 0, 0, 0, 0], [], { lastsMs: 9_000, endMs: 3_000 }).toRecoverMs).toBe(1_000);
    const { lastsMs: _, ...open } = kill;
    const never = responseTimes({ ...sampleRecord(), virtualMs: 6_000, alerts: [], timeline: [], faults: [open] });
    expect(never.toRecoverMs).toBeUndefined();
  });
});
