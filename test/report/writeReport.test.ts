import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { historyFromNdjson } from '../../src/checkers/recorder.ts';
import { formatClock, formatSpan } from '../../src/report/formatTime.ts';
import { htmlPage } from '../../src/report/htmlPage.ts';
import { pageData } from '../../src/report/pageData.ts';
import { tellStory } from '../../src/report/story.ts';
import { reportOf, writeReport } from '../../src/report/writeReport.ts';
import { observedRun, weather } from './observedRun.ts';
import { sampleRecord } from './sampleRecord.ts';

const made: string[] = [];

afterEach(() => {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true });
});

/** The data that a page unpacks. */
function dataOf(page: string): unknown {
  const packed = /<script type="application\/gzip;base64" id="run">([^<]*)<\/script>/.exec(page)?.[1] ?? '';
  return JSON.parse(gunzipSync(Buffer.from(packed, 'base64')).toString());
}

describe('a report', () => {
  it('should be seven files in a directory that is made for it', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'report-'));
    made.push(directory);
    const record = await observedRun(weather.process);
    const { history = [] } = record;

    const files = await writeReport(record, join(directory, 'deep', 'er'));

    expect(files.map((file) => file.slice(directory.length))).toEqual(
      [
        'report.json',
        'timeline.md',
        'postmortem.md',
        'junit.xml',
        'index.html',
        'trace.perfetto.json',
        'history.ndjson.gz',
      ].map((name) => `/deep/er/${name}`),
    );
    expect(JSON.parse(readFileSync(files[0] ?? '', 'utf8'))).toEqual(JSON.parse(JSON.stringify(reportOf(record))));
    const readBack = historyFromNdjson(gunzipSync(readFileSync(files.at(-1) ?? '')).toString());
    expect(readBack).toEqual(history);
    expect(readBack.some(({ faults = [] }) => faults.length > 0)).toBe(true);
    expect(readBack.some(({ outcome }) => outcome !== 'ok')).toBe(true);
  });

  it('should have no history of a run that nobody observed', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'report-'));
    made.push(directory);
    const files = await writeReport(sampleRecord(), directory);
    expect(files.map((file) => file.slice(directory.length + 1))).not.toContain('history.ndjson.gz');
    expect(files).toHaveLength(6);
  });

  it('should tell in Markdown the verdict, the story, every expectation and every line', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'report-'));
    made.push(directory);
    const record = sampleRecord({ violated: true });

    const [, markdown = ''] = await writeReport(record, directory);
    const text = readFileSync(markdown, 'utf8');

    expect(text).toMatch(/^# Slow WAL fsync: violated\n/);
    expect(text).toContain('**How it was noticed:** The alert WALFsyncSlow fired');
    expect(text).toContain('- **C12 monotone** at 33:00.0: durable LSN fell');
    for (const { text: expected } of record.expectations) expect(text).toContain(`| ${expected} |`);
    expect(text.match(/\| log \| warn slow fsync/g)).toHaveLength(40);
  });

  it('should keep data from ending its script element', () => {
    const record = { ...sampleRecord(), title: '</script><script>alert(1)</script>', description: '<!-- x' };
    const page = htmlPage(record);
    expect(page).not.toContain('<script>alert');
    expect(page).not.toContain('<!-- x');
    expect(dataOf(page)).toMatchObject({ title: record.title, description: '<!-- x' });
  });

  it('should hold its data compressed, whole', async () => {
    const record = await observedRun(weather.calm);
    const page = htmlPage(record);
    const json = JSON.stringify(pageData(record));
    expect(dataOf(page)).toEqual(JSON.parse(json));
    expect(/id="run">([^<]*)</.exec(page)?.[1]?.length).toBeLessThan(json.length / 3);
  });

  it('should leave no gap in the page where something belongs', () => {
    expect(htmlPage(sampleRecord())).not.toMatch(/<!-- \w+ -->/);
  });
});

describe('the story of a run', () => {
  it('should go from the fault over alert and operator to the recovery, in order', () => {
    const { steps } = tellStory(sampleRecord());
    const kinds = steps.map(({ kind }) => kind);
    expect(kinds[0]).toBe('begin');
    expect(kinds.at(-1)).toBe('end');
    expect(kinds.indexOf('fault')).toBeLessThan(kinds.indexOf('alert'));
    expect(kinds.indexOf('alert')).toBeLessThan(kinds.indexOf('operator'));
    expect(kinds.indexOf('operator')).toBeLessThan(kinds.indexOf('recovery'));
    expect(steps.map(({ atMs }) => atMs)).toEqual(steps.map(({ atMs }) => atMs).sort((a, b) => a - b));
  });

  it('should say so when nothing was injected and nothing fired', () => {
    const quiet = { ...sampleRecord(), faults: [], alerts: [], timeline: [] };
    const answers = tellStory(quiet).summary.map(({ answer }) => answer);
    expect(answers[0]).toBe('No fault was injected.');
    expect(answers.at(-1)).toBe('Nothing that must hold was violated.');
  });

  it('should gather what is violated again and again', () => {
    const record = sampleRecord({ violated: true });
    const again = Array.from({ length: 19 }, (_, index) => ({
      check: 'C19 metrics',
      message: `number ${index}`,
      atMs: 60_000 - index,
    }));
    const story = tellStory({
      ...record,
      violations: [...record.violations, ...again],
      reasons: [
        ...again.map(({ check, message }) => `${check}: ${message}`),
        'violated: metrics (number 0)',
        'violated: alert WALFsyncSlow fires (it did not)',
      ],
    });
    expect(story.reasons).toEqual([
      'C1 acked-is-durable: record 4711 was acknowledged at 31:02.4 and is not in the log after recovery',
      'C12 monotone: durable LSN fell from 4,711 to 4,710',
      'C19 metrics: number 0 (and 18 more like it)',
      'violated: alert WALFsyncSlow fires (it did not)',
    ]);
    expect(story.steps.filter(({ kind }) => kind === 'violation').map(({ title, detail }) => [title, detail])).toEqual([
      ['C19 metrics is violated (the first of 19)', 'number 18'],
      ['C1 acked-is-durable is violated', expect.stringContaining('4711')],
      ['C12 monotone is violated', expect.stringContaining('durable LSN')],
    ]);
  });

  it('should stay short however much happened', () => {
    const record = sampleRecord();
    const crash = (atMs: number) => ({ atMs, kind: 'crash' as const, text: `stemedb-1: crash ${atMs}` });
    const steps = tellStory({ ...record, timeline: Array.from({ length: 5_000 }, (_, index) => crash(index)) }).steps;
    expect(steps).toHaveLength(40);
    expect(steps.some(({ title }) => title.includes('more'))).toBe(true);
  });
});

describe('times of a report', () => {
  it.each([
    [0, '0:00.0'],
    [65_450, '1:05.5'],
    [59_960, '1:00.0'],
    [3_723_400, '1:02:03.4'],
  ])('should write %d ms as %s', (ms, text) => {
    expect(formatClock(ms)).toBe(text);
  });

  it.each([
    [150, '150 ms'],
    [4_200, '4.2 s'],
    [600_000, '10 min'],
    [630_000, '10 min 30 s'],
    [3_720_000, '1 h 2 min'],
  ])('should write a span of %d ms as %s', (ms, text) => {
    expect(formatSpan(ms)).toBe(text);
  });
});
