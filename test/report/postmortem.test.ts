import { describe, expect, it } from 'vitest';
import { postmortemMarkdown } from '../../src/report/postmortem.ts';
import { responseTimes } from '../../src/report/responseTimes.ts';
import { tellStory } from '../../src/report/story.ts';
import { sampleRecord } from './sampleRecord.ts';

const minute = 60_000;

describe('response times', () => {
  it('should be measured from the first fault', () => {
    const record = sampleRecord();
    const times = responseTimes(record);
    const fired = record.alerts.find((alert) => alert.name === 'WALFsyncSlow');
    expect(times.trigger).toMatchObject({ kind: 'fault', fault: { name: 'disk.slow-sync' } });
    expect(times.trigger?.startMs).toBe(5 * minute);
    expect(times.detectedBy?.name).toBe('WALFsyncSlow');
    expect(times.toDetectMs).toBe((fired?.firingMs ?? 0) - 5 * minute);
    expect(times.toMitigateMs).toBe(12 * minute);
    const lastMs = Math.max(
      30 * minute,
      // Until then the operator's limit refuses some.
      32 * minute,
      ...record.alerts.map((alert) => (alert.firingMs ? (alert.resolvedMs ?? 0) : 0)),
    );
    expect(times.toRecoverMs).toBe(lastMs - 5 * minute);
  });

  it('should be undefined where nothing of the kind happened', () => {
    const record = sampleRecord();
    const calm = responseTimes({ ...record, faults: [], alerts: [], timeline: [] });
    expect(calm).toEqual({
      trigger: undefined,
      detectedBy: undefined,
      toDetectMs: undefined,
      toMitigateMs: undefined,
      toRecoverMs: undefined,
      unrecovered: [],
    });
    const unresolved = record.alerts.map(({ resolvedMs: _, ...alert }) => alert);
    expect(responseTimes({ ...record, alerts: unresolved }).toRecoverMs).toBeUndefined();
  });
});

describe('a postmortem', () => {
  it('should have every chapter, with the figures of the run', () => {
    const text = postmortemMarkdown(sampleRecord());
    const chapters = [...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
    expect(chapters).toEqual([
      'Summary',
      'Impact',
      'Trigger',
      'Root-cause candidates',
      'Detection',
      'Timeline',
      'What went well',
      'What went badly',
      'Action items',
      'To see it again',
    ]);
    expect(text).toMatch(/\| time to mitigate \| 12 min \|/);
    expect(text).toMatch(/^1\. `disk\.slow-sync` on stemedb-1, 5:00\.0 to 30:00\.0/m);
    expect(text).toMatch(/\| WALFsyncSlow \| \w+ \| [\d:.]+ \| [\d:.]+ \(\+10 min/);
    expect(text).toContain(sampleRecord().command);
  });

  it('should name what was violated, and put the fault that lasted then before one that was long over', () => {
    const record = sampleRecord({ violated: true });
    const [fault] = record.faults;
    if (fault === undefined) throw new Error('the sample has a fault');
    const early = { ...fault, id: 99, name: 'network.delay', text: 'an old delay', startMs: 1_000, endMs: 2_000 };
    const text = postmortemMarkdown({ ...record, faults: [early, fault], alerts: [] });
    expect(text).toMatch(/- C12 monotone was violated once: durable LSN fell/);
    const order = [...text.matchAll(/^\d\. `([\w.-]+)`/gm)].map(([, name]) => name);
    // Of each of the two checks.
    expect(order).toEqual(['disk.slow-sync', 'network.delay', 'disk.slow-sync', 'network.delay']);
    expect(text).toContain('- No alert fired after the trigger.');
  });

  it('should tell of clients that waited, and of an alert that is pending at the end', () => {
    const record = sampleRecord();
    const window = { ok: 10, fail: 0, info: 0, p50Ms: 1, maxMs: 500 };
    const [alert] = record.alerts;
    if (alert === undefined) throw new Error('the sample has an alert');
    const { firingMs, resolvedMs, ...pending } = { ...alert, name: 'Ingest' };
    const windows = [
      { ...window, fromMs: 0, toMs: 60_000, p99Ms: 2 },
      { ...window, fromMs: 600_000, toMs: 660_000, p99Ms: 400 },
    ];
    const text = postmortemMarkdown({
      ...record,
      alerts: [...record.alerts, pending],
      operations: { ...record.operations, windows },
    });
    const slower = 'The worst p99 of those that succeeded rose from 2 ms to 400 ms.';
    expect(text).toMatch(new RegExp(`What the clients saw:.*${slower}`));
    expect(text).toContain(`- ${slower}`);
    expect(text).toContain('Not yet fired, still pending at the end: Ingest.');
  });

  it('should say first of a planted bug that it was planted', () => {
    const text = postmortemMarkdown({ ...sampleRecord({ violated: true }), mutants: ['ack-on-write'] });
    expect(text).toMatch(/^# Postmortem: .*, with the planted bug ack-on-write\n/);
    expect(text).toMatch(/## Summary\n\n.* The bug ack-on-write had been planted in the engine\.\n/);
  });

  it('should not give the number that a check keeps for the number that there were', () => {
    const violations = Array.from({ length: 20 }, (_, nth) => ({ check: 'C6 acks', message: `number ${nth}` }));
    const record = { ...sampleRecord({ violated: true }), violations };
    const text = postmortemMarkdown(record);
    expect(text).toContain('- C6 acks was violated 20 or more times: number 0');
    expect(text).toContain('20 or more things that must hold did not.');
    expect(text).toContain('C6 acks is violated (the first of 20 or more)');
    expect(tellStory(record).reasons[0]).toBe('C6 acks: number 0 (and at least 19 more like it)');
    const fewer = postmortemMarkdown({ ...record, violations: violations.slice(1) });
    expect(fewer).toContain('- C6 acks was violated 19 times: number 1');
  });
});
