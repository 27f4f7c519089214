import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { type Report, reportSchema, reportSchemaText } from '../../src/report/reportSchema.ts';
import { reportOf, writeReport } from '../../src/report/writeReport.ts';
import type { RunRecord } from '../../src/scenario/runRecord.ts';
import { observedRun, weather } from './observedRun.ts';
import { sampleRecord } from './sampleRecord.ts';

const validate = new Ajv2020({ allErrors: true }).compile(JSON.parse(reportSchemaText()));

/** The report as a reader has it: from JSON. */
function written(record: RunRecord): Report {
  return JSON.parse(JSON.stringify(reportOf(record)));
}

const alerting = `
groups:
  - name: g
    rules:
      - { alert: Restarted, expr: 'vector(1) == 1', for: 0s, labels: { severity: page }, annotations: { summary: s } }`;

describe('the JSON schema of a report', () => {
  it('should be published as it is: hotfire schema report > scenarios/report.schema.json', () => {
    expect(readFileSync('scenarios/report.schema.json', 'utf8')).toBe(reportSchemaText());
  });

  it.each(Object.entries(weather))('should take the report of a run: %s', async (_, lines) => {
    const record = await observedRun(lines, { rules: alerting });
    const report = written(record);
    expect(validate(report), JSON.stringify(validate.errors?.slice(0, 3))).toBe(true);
    // The schema that is published and the one that it is made of say the same.
    expect(reportSchema.parse(report)).toEqual(report);
    expect(report.observations?.states.length).toBeGreaterThan(0);
    expect(report.alerts.length).toBeGreaterThan(0);
  });

  it('should take what is written of a run that was violated, with where it went wrong', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'hotfire-report-'));
    try {
      await writeReport(await observedRun(weather.process, { mutants: ['ack-before-sync'] }), directory);
      const violated: Report = JSON.parse(await readFile(join(directory, 'report.json'), 'utf8'));
      expect(violated.verdict).toBe('violated');
      expect(violated.guilt?.[0]?.sentence).toContain('It came about between');
      expect(violated.faults.some(({ lastsMs }) => lastsMs !== undefined)).toBe(true);
      expect(validate(violated), JSON.stringify(validate.errors?.slice(0, 3))).toBe(true);
      const [first, ...others] = violated.guilt ?? [];
      expect(validate({ ...violated, guilt: [{ ...first, toMs: null }, ...others] })).toBe(false);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('should take the report of a run that nobody observed, and a stretch with a fault before it alone', () => {
    const record = sampleRecord({ violated: true });
    const violations = record.violations.map((violation) => ({ ...violation, fromMs: 32 * 60_000 }));
    const before = written({ ...record, violations });
    expect(before.guilt?.[0]?.before?.name).toBe('disk.slow-sync');
    expect(written(record).guilt?.[0]?.faults.map(({ name }) => name)).toEqual(['disk.slow-sync']);
    const never = written({ ...record, violations: violations.map((each) => ({ ...each, atMs: Infinity })) });
    expect(never.guilt?.[0]?.toMs).toBe(record.virtualMs);
    for (const report of [before, never, written(record), written(sampleRecord())]) {
      expect(validate(report), JSON.stringify(validate.errors?.slice(0, 3))).toBe(true);
    }
  });

  it.each([
    ['a key too many', (report: Report) => ({ ...report, extra: 1 })],
    ['a key too few', ({ seed: _, ...report }: Report) => report],
    ['a verdict that is none', (report: Report) => ({ ...report, verdict: 'fine' })],
    ['a fault without a beginning', (report: Report) => ({ ...report, faults: [{ id: 0, name: 'disk.slow' }] })],
    ['a history', (report: Report) => ({ ...report, history: [] })],
  ])('should refuse a report with %s', (_, change) => {
    expect(validate(change(written(sampleRecord())))).toBe(false);
  });
});
