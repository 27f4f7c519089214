import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { type Report, reportSchema, reportSchemaText } from '../../src/report/reportSchema.ts';
import { reportOf } from '../../src/report/writeReport.ts';
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

  it('should take the report of a run that was violated, and of one that nobody observed', async () => {
    const violated = written(await observedRun(weather.process, { mutants: ['ack-before-sync'] }));
    expect(violated.verdict).toBe('violated');
    expect(violated.violations.length).toBeGreaterThan(0);
    for (const report of [violated, written(sampleRecord()), written(sampleRecord({ violated: true }))]) {
      expect(validate(report), JSON.stringify(validate.errors?.slice(0, 3))).toBe(true);
    }
  });

  it('should take the report of a run with numbers that JSON does not have', () => {
    const points: [number, number][] = [
      [0, 1],
      [15_000, Number.NaN],
      [30_000, Number.POSITIVE_INFINITY],
      [45_000, 2],
    ];
    const metrics = [{ name: 'm', help: '', type: 'gauge', series: [{ labels: {}, points }] }];
    const violation = { check: 'c', message: 'm', fromMs: 1, atMs: Number.POSITIVE_INFINITY };
    const report = written({ ...sampleRecord(), metrics, violations: [violation] });
    expect(report.violations).toEqual([{ check: 'c', message: 'm', fromMs: 1 }]);
    expect(validate(report), JSON.stringify(validate.errors?.slice(0, 3))).toBe(true);
    expect(report.metrics[0]?.series[0]?.points).toEqual([
      [0, 1],
      [45_000, 2],
    ]);
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
