import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeReport } from '../../src/report/writeReport.ts';
import { hasChromium, openTab, type Tab } from './browser.ts';
import { observedSample } from './sampleObservations.ts';
import { sampleRecord } from './sampleRecord.ts';

describe.skipIf(!hasChromium)('history, logs and faults of the page in a browser (skipped without Chromium)', () => {
  const directory = mkdtempSync(join(tmpdir(), 'history-'));
  let tab: Tab;

  beforeAll(async () => {
    const record = observedSample(sampleRecord({ violated: true }));
    const prefix = Array.from({ length: 30 }, (_, index) => index);
    await writeReport(
      {
        ...record,
        violations: [
          {
            check: 'C10 read-your-writes',
            message: 'writes and reads of one key are not linearizable',
            atMs: 400_000,
            fromMs: 390_000,
            node: 'stemedb-1',
            operations: [31, 33],
            evidence: {
              partition: 'k',
              longestPrefix: prefix,
              stuck: [31, 33],
              statesAlong: prefix.map((id) => `value ${id}`),
              statesBefore: ['value 29'],
            },
          },
        ],
      },
      join(directory, 'run'),
    );
    tab = await openTab();
    await tab.visit(pathToFileURL(join(directory, 'run', 'index.html')).href);
  }, 30_000);

  beforeEach(async () => {
    await tab.page.evaluate('hotfire.setTimeWindow()');
  });

  afterAll(async () => {
    await tab?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const counted = (list: string) => tab.page.textContent(`#${list}-counted`);
  const firstRow = (list: string) => tab.page.textContent(`#${list}-row-0`);
  const detail = (list: string) => tab.page.textContent(`#${list}-detail`);

  it('should filter the history by outcome, operation, process, text and fault', async () => {
    expect(await counted('history')).toBe('200 of 200 operations');
    await tab.page.click('#operations .chip:text-is("ok")');
    expect(await counted('history')).toBe('5 of 200 operations');
    await tab.page.click('#operations .chip:text-is("ok")');
    await tab.page.selectOption('#history-operation', 'query');
    expect(await counted('history')).toBe('40 of 200 operations');
    await tab.page.selectOption('#history-operation', '');
    await tab.page.selectOption('#history-process', '3');
    expect(await counted('history')).toBe('50 of 200 operations');
    await tab.page.selectOption('#history-process', '');
    await tab.page.fill('#history-search', '"s-17"');
    expect(await counted('history')).toBe('1 of 200 operations');
    await tab.page.fill('#history-search', '');
    await tab.page.click('#operations .chip:text-is("met a fault")');
    expect(await counted('history')).toBe('126 of 200 operations');
    await tab.page.click('#operations .chip:text-is("met a fault")');
  });

  it('should put violating operations first, or show them alone', async () => {
    await tab.page.click('#operations .chip:text-is("violating first")');
    expect(await firstRow('history')).toContain('#31');
    expect(await firstRow('history')).toContain('✗');
    expect(await counted('history')).toBe('200 of 200 operations');
    await tab.page.click('#operations .chip:text-is("violating first")');
    expect(await firstRow('history')).toContain('#0');
    await tab.page.click('#operations .chip:text-is("only violating (2)")');
    expect(await counted('history')).toBe('2 of 200 operations');
    await tab.page.click('#operations .chip:text-is("only violating (2)")');
  });

  it('should lead from an operation to its fault and to its place in the diagram', async () => {
    await tab.page.fill('#history-search', '#50');
    await tab.page.focus('#history-rows');
    await tab.page.keyboard.press('ArrowDown');
    expect(await detail('history')).toContain('Operation 50');
    await tab.page.click('#history-detail button:text("Show in the diagram")');
    expect(await tab.page.textContent('#diagram-detail')).toContain('Operation 50');
    await tab.page.click('#diagram-detail button:text("disk.slow-sync")');
    expect(await tab.page.textContent('#diagram-detail')).toContain('fsync on stemedb-1 takes 150 ms at p99');
    await tab.page.evaluate('hotfire.setTimeWindow()');
    await tab.page.fill('#history-search', '');
  });

  it('should list only what happens in the time window', async () => {
    await tab.page.evaluate('hotfire.setTimeWindow(600_000, 660_000)');
    await expect.poll(() => counted('history')).toBe('5 of 200 operations (those in the time window)');
    await expect.poll(() => counted('logs')).toBe('6 of 200 lines (those in the time window)');
  });

  it('should draw the longest order of a history that is not linearizable, and what cannot follow', async () => {
    const rows = await tab.page.$$eval('.linearization .lin', (all) => all.map((row) => row.textContent));
    expect(rows).toHaveLength(16);
    expect(rows[0]).toContain('17.16 p0 assert');
    expect(rows[0]).toContain('→ value 16');
    expect(await tab.page.textContent('.linearization figcaption')).toContain('none of 2 can follow in value 29');
    expect(rows.filter((row) => row?.startsWith('✗'))).toHaveLength(2);
    await tab.page.click('.linearization .stuck .moment');
    expect(await detail('history')).toContain('Operation 31');
    expect(await detail('history')).toContain('C10 read-your-writes');
  });

  it('should say below the verdict where it went wrong, and lead there', async () => {
    const guilt = tab.page.locator('#guilt');
    expect(await guilt.textContent()).toContain('C10 read-your-writes on stemedb-1');
    expect(await guilt.textContent()).toContain('6:30.0 – 6:40.0, 10 s');
    expect(await guilt.locator('.moment').allTextContents()).toEqual(['disk.slow-sync stemedb-1', '31', '33']);
    const red = () =>
      tab.page.evaluate<number>(`(() => {
      const canvas = document.querySelector('#diagram-canvas');
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
      copy.drawImage(canvas, 0, 0);
      const { data } = copy.getImageData(0, 21, canvas.width, 1);
      let red = 0;
      for (let at = 0; at < data.length; at += 4) red += data[at] > 150 && data[at + 1] < 80 ? 1 : 0;
      return red;
    })()`);
    const narrow = await red();
    expect(narrow).toBeGreaterThan(1);
    await guilt.locator('button:text("Show this stretch")').click();
    expect(await tab.page.textContent('#time-window')).toBe('6:29.0 – 6:41.0 (12 s)');
    await expect.poll(red).toBeGreaterThan(narrow * 50);
  });

  it('should filter the logs by level and text', async () => {
    await tab.page.click('#logs .chip:text-is("info")');
    expect(await counted('logs')).toBe('20 of 200 lines');
    await tab.page.click('#logs .chip:text-is("warn")');
    expect(await counted('logs')).toBe('5 of 200 lines');
    await tab.page.fill('#logs-search', 'segment=39');
    expect(await counted('logs')).toBe('1 of 200 lines');
    await tab.page.click('#logs-row-0');
    expect(await detail('logs')).toContain('"segment": 39');
  });

  it('should tell every fault with its parameters, and lead to it', async () => {
    expect(await tab.page.textContent('#faults')).toContain('p50Ms=110 p99Ms=150');
    await tab.page.click('#faults button:text("diagram")');
    expect(await tab.page.textContent('#time-window')).not.toBe('whole run');
  });

  it('should give the scenario and the probes', async () => {
    expect(await tab.page.textContent('#scenario')).toContain('fault: disk.slow-sync');
    expect(await tab.page.textContent('#probes')).toContain('2 of 3 reached');
    expect(await tab.page.textContent('#probes ul:last-of-type')).toContain('torn tail dropped');
    await tab.page.click('#reproduce .command button');
    await expect.poll(() => tab.page.textContent('#reproduce .command output')).toMatch(/Copied|Selected/);
  });

  it('should keep the line that a link led to, out of any window and through any filter', async () => {
    await tab.page.evaluate('hotfire.setTimeWindow(600_000, 660_000)');
    await expect.poll(() => counted('history')).toContain('those in the time window');
    await tab.page.click('#operations .chip:text-is("ok")');
    await tab.page.evaluate('hotfire.showOperation(31)');
    expect(await detail('history')).toContain('Operation 31');
    expect(await counted('history')).toBe('200 of 200 operations');
    await tab.page.evaluate('new Promise((done) => setTimeout(done, 250))');
    expect(await tab.page.textContent('#history-rows .selected')).toContain('#31');
    await tab.page.evaluate('hotfire.setTimeWindow(600_000, 660_000)');
    await tab.page.evaluate('hotfire.showMoment(300_000)');
    await tab.page.evaluate('new Promise((done) => setTimeout(done, 250))');
    expect(await tab.page.textContent('#timeline-rows .selected')).toContain('5:00.0');
  });

  it('should say nothing on the console', () => {
    expect(tab.said).toEqual([]);
  });
});
