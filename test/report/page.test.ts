import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeReport } from '../../src/report/writeReport.ts';
import { hasChromium, openTab, type Tab } from './browser.ts';
import { sampleRecord } from './sampleRecord.ts';

/** Runs in the page. Through a copy: to read back a page's own canvas slows that canvas down. */
const COUNT_COLOURS = `Array.from(document.querySelectorAll('.plot canvas'), (canvas) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  return new Set(new Uint32Array(copy.getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size;
})`;

describe.skipIf(!hasChromium)('the page of a report in a browser (skipped without Chromium)', () => {
  const directory = mkdtempSync(join(tmpdir(), 'report-'));
  const url = (name: string) => pathToFileURL(join(directory, name, 'index.html')).href;
  let tab: Tab;

  beforeAll(async () => {
    await writeReport(sampleRecord(), join(directory, 'held'));
    await writeReport(
      { ...sampleRecord({ violated: true, logLines: 100_000 }), mutants: ['ack-on-write'] },
      join(directory, 'violated'),
    );
    const points = Array.from({ length: 10_000 }, (_, nth): [number, number] => [nth * 200, nth]);
    const operation = {
      id: 7,
      process: 0,
      f: 'write',
      input: 'x'.repeat(1_000),
      outcome: 'ok' as const,
      invokedAt: 60_000,
      completedAt: 60_001,
      invokedOrder: 0,
      completedOrder: 1,
    };
    await writeReport(
      {
        ...sampleRecord({ violated: true }),
        violations: Array.from({ length: 1_000 }, (_, nth) => ({
          check: 'often',
          message: `number ${nth}`,
          atMs: nth,
        })),
        metrics: [{ name: 'm', help: '', type: 'gauge', series: [{ labels: {}, points }] }],
        history: [operation],
      },
      join(directory, 'bounded'),
    );
    tab = await openTab();
    await tab.visit(url('held'));
  }, 30_000);

  afterAll(async () => {
    await tab?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** How many colours each chart has on its canvas. */
  const drawn = () => tab.page.evaluate<number[]>(COUNT_COLOURS);

  const lines = () => tab.page.textContent('#timeline-counted');

  it('should say the verdict first, and tell what happened', async () => {
    expect(await tab.page.textContent('h1')).toBe('Slow WAL fsync');
    expect(await tab.page.textContent('.headline')).toContain('held');
    expect(await tab.page.textContent('.summary')).toContain('The alert WALFsyncSlow fired 10 min');
    expect(await tab.page.textContent('.summary')).toContain('rate-limit');
    expect(await tab.page.textContent('#command')).toBe('hotfire replay scenarios/stemedb/slow-fsync.yaml --seed 7');
  });

  it('should draw the charts of the engine', async () => {
    const titles = await tab.page.$$eval('.chart h3', (all) => all.map((one) => one.textContent));
    expect(titles.slice(0, 3)).toEqual([
      'Durable write (fsync) latency',
      'Client operations a second',
      'API write latency',
    ]);
    const colours = await drawn();
    expect(colours).toHaveLength(titles.length);
    expect(Math.min(...colours)).toBeGreaterThan(10);
  });

  it('should add a chart of a metric that is picked, and take it away', async () => {
    const before = (await drawn()).length;
    await tab.page.fill('#metric-picker', 'stemedb_storage_operations_total');
    await tab.page.waitForSelector('.chart h3:text("stemedb_storage_operations_total, a second")');
    expect((await drawn()).length).toBe(before + 1);
    await tab.page.click('button[aria-label="Remove stemedb_storage_operations_total, a second"]');
    expect((await drawn()).length).toBe(before);
  });

  it('should zoom every chart by a drag over one, and back', async () => {
    const plot = tab.page.locator('.u-over').first();
    await plot.scrollIntoViewIfNeeded();
    const box = await plot.boundingBox();
    if (!box) throw new Error('no plot');
    await tab.page.mouse.move(box.x + 40, box.y + 60);
    await tab.page.mouse.down();
    await tab.page.mouse.move(box.x + 160, box.y + 60, { steps: 4 });
    await tab.page.mouse.up();
    const reset = tab.page.locator('#zoom-reset');
    await reset.waitFor({ state: 'visible' });
    await reset.click();
    await reset.waitFor({ state: 'hidden' });
  });

  it('should filter the timeline by text, node and kind', async () => {
    await tab.page.fill('#timeline-search', 'warn slow fsync');
    expect(await lines()).toMatch(/^40 of /);
    await tab.page.fill('#timeline-search', 'rate-limit curl');
    expect(await lines()).toMatch(/^2 of /);
    await tab.page.fill('#timeline-search', '');
    await tab.page.selectOption('#timeline-node', 'stemedb-1');
    const ofNode = await lines();
    await tab.page.click('#timeline .chip:text-is("log")');
    expect(Number.parseInt((await lines()) ?? '', 10)).toBe(Number.parseInt(ofNode ?? '', 10) - 40);
    await tab.page.click('#timeline .chip:text-is("log")');
    await tab.page.selectOption('#timeline-node', '');
  });

  it('should be used by keyboard: arrows choose a line of the timeline and show all of it', async () => {
    await tab.page.focus('#timeline-rows');
    for (let presses = 0; presses < 4; presses += 1) await tab.page.keyboard.press('ArrowDown');
    expect(await tab.page.textContent('#timeline-detail')).toContain('fault-start on stemedb-1');
    expect(await tab.page.textContent('#timeline-detail pre')).toContain('"p99Ms": 150');
  });

  it('should hide and show a line of a chart by keyboard', async () => {
    const name = tab.page.locator('.u-legend .u-series th').nth(1);
    const hidden = () => tab.page.locator('.u-legend .u-series.u-off').count();
    await name.press('Enter');
    expect(await hidden()).toBe(1);
    await name.press('Enter');
    expect(await hidden()).toBe(0);
  });

  it('should show a line of the log as text, whatever is in it', async () => {
    await tab.page.fill('#timeline-search', '<b>7</b>');
    expect(await tab.page.textContent('#timeline .row-text')).toMatch(
      /^warn slow fsync <\/script><b>7<\/b> +durationMs=147 /,
    );
    await tab.page.fill('#timeline-search', '');
  });

  it('should be dark where the reader wants it dark', async () => {
    const background = () => tab.page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const light = await background();
    await tab.page.emulateMedia({ colorScheme: 'dark' });
    await tab.page.locator('html[data-theme="dark"]').waitFor({ state: 'attached' });
    expect(await background()).not.toBe(light);
    expect(Math.min(...(await drawn()))).toBeGreaterThan(10);
    await tab.page.click('#theme');
    expect(await background()).toBe(light);
  });

  it('should not be wider than a narrow screen', async () => {
    await tab.page.setViewportSize({ width: 400, height: 800 });
    // The charts take the new width in a frame of their own.
    const overflow = () => tab.page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
    await expect.poll(overflow, { timeout: 5_000 }).toBeLessThanOrEqual(0);
    await tab.page.setViewportSize({ width: 1_280, height: 900 });
  });

  it('should show what was violated with its evidence, and search 100,000 lines without hanging', async () => {
    await tab.visit(url('violated'));
    expect(await tab.page.textContent('#violations')).toContain('C1 acked-is-durable');
    expect(await tab.page.textContent('#violations .evidence')).toContain('"lsn": 4711');
    await tab.page.fill('#timeline-search', '<b>99999</b>');
    expect(await lines()).toMatch(/^1 of 100,0\d\d lines$/);
    await tab.page.fill('#timeline-search', '');
    expect(await tab.page.$$eval('#timeline .row', (rows) => rows.length)).toBeLessThan(100);
    await tab.page.focus('#timeline-rows');
    await tab.page.keyboard.press('End');
    expect(await tab.page.textContent('#timeline-detail')).toContain('40:00.0');
  });

  it('should name a planted bug in its title and its head, and lead to what went wrong', async () => {
    await tab.visit(url('violated'));
    expect(await tab.page.title()).toContain('with the planted bug ack-on-write');
    expect(await tab.page.textContent('#hero')).toContain('The bug ack-on-write had been planted in the engine.');
    const links = () =>
      tab.page.$$eval('.bar-links a:not([hidden])', (all) => all.slice(0, 3).map(({ textContent }) => textContent));
    expect(await links()).toEqual(['Where it went wrong', 'Violations', 'What happened']);
    await tab.visit(url('held'));
    expect((await links())[0]).toBe('What happened');
  });

  it.each([390, 1_300])('should cut no entry of the navigation at %i pixels with a stretch open', async (width) => {
    await tab.visit(url('violated'));
    await tab.page.setViewportSize({ width, height: 900 });
    await tab.page.evaluate('hotfire.setTimeWindow(600_000, 900_000)');
    const cut = await tab.page.$eval('.bar-links', (bar) => bar.scrollWidth - bar.clientWidth);
    expect(cut).toBeLessThanOrEqual(0);
    await tab.page.setViewportSize({ width: 1_280, height: 900 });
  });

  it.each(['#t=abc', '#t=5-1', '#t=1e9-2e9', '#t=90000000-91000000'])(
    'should say that %s names no stretch, and not keep it in the address',
    async (address) => {
      await tab.visit(url('held'));
      await tab.page.evaluate(`location.hash = ${JSON.stringify(address)}`);
      await expect.poll(() => tab.page.url()).toBe(url('held'));
      expect(await tab.page.textContent('#time-window')).toContain(`${address} is no stretch of it`);
      await tab.page.evaluate('hotfire.setTimeWindow(60_000, 90_000)');
      expect(await tab.page.textContent('#time-window')).not.toContain('no stretch');
    },
  );

  it('should say what of a large run it does not show, and where that is', async () => {
    await tab.visit(url('bounded'));
    const violations = await tab.page.textContent('#violations');
    expect(violations).toContain('Violations (1,000)');
    expect(violations).toContain('197 more of often');
    expect(violations).toContain('800 more of often are in report.json.');
    expect(await tab.page.textContent('#charts')).toContain('not every sample is drawn');
    await tab.page.click('#history-row-0');
    expect(await tab.page.textContent('#history-detail')).toContain('in history.ndjson.gz, in the line with "id":7.');
  });

  it('should say nothing on the console and ask the network for nothing', () => {
    expect(tab.said).toEqual([]);
    expect(new Set(tab.asked)).toEqual(new Set([url('held'), url('violated'), url('bounded')]));
  });
});
