import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeReport } from '../../src/report/writeReport.ts';
import { hasChromium, openTab, type Tab } from './browser.ts';
import { observedSample } from './sampleObservations.ts';
import { sampleRecord } from './sampleRecord.ts';

/** How many colours the canvas of the diagram has, and how many of its pixels are not its ground. */
const LOOK = `(() => {
  const canvas = document.querySelector('#diagram-canvas');
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const pixels = new Uint32Array(copy.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
  return { colours: new Set(pixels).size, drawn: pixels.reduce((sum, pixel) => sum + (pixel === 0 ? 0 : 1), 0) };
})()`;

describe.skipIf(!hasChromium)('the space-time diagram in a browser (skipped without Chromium)', () => {
  const directory = mkdtempSync(join(tmpdir(), 'diagram-'));
  const url = (name: string) => pathToFileURL(join(directory, name, 'index.html')).href;
  let tab: Tab;

  beforeAll(async () => {
    await writeReport(observedSample(sampleRecord()), join(directory, 'few'));
    await writeReport(observedSample(sampleRecord(), { messages: 102_000, lostEvery: 50 }), join(directory, 'many'));
    await writeReport(sampleRecord(), join(directory, 'unobserved'));
    tab = await openTab();
    await tab.visit(url('few'));
  }, 60_000);

  beforeEach(async () => {
    await tab.page.evaluate('hotfire.setTimeWindow()');
  });

  afterAll(async () => {
    await tab?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const look = () => tab.page.evaluate<{ colours: number; drawn: number }>(LOOK);
  const windowMs = async () => {
    const { fromMs, toMs } = await tab.page.evaluate<{ fromMs: number; toMs: number }>('hotfire.timeWindow()');
    return toMs - fromMs;
  };
  /** The next frame is drawn. */
  const settled = () =>
    tab.page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
  const press = async (...keys: string[]) => {
    await tab.page.focus('#diagram-canvas');
    for (const key of keys) await tab.page.keyboard.press(key);
    await settled();
  };
  const detail = () => tab.page.textContent('#diagram-detail');
  const box = async () => {
    const canvas = tab.page.locator('#diagram-canvas');
    await canvas.scrollIntoViewIfNeeded();
    const found = await canvas.boundingBox();
    if (!found) throw new Error('no canvas');
    return found;
  };

  it('should draw lanes, messages, operations and bands', async () => {
    const { colours, drawn } = await look();
    expect(colours).toBeGreaterThan(30);
    expect(drawn).toBeGreaterThan(20_000);
    expect(await tab.page.textContent('#diagram-counted')).toBe('395 messages');
    expect(await tab.page.getAttribute('#diagram-canvas', 'aria-label')).toContain('395 messages and 200 operations');
  });

  it('should zoom by a drag, and show the whole run at a double click', async () => {
    const { x, y, width } = await box();
    await tab.page.mouse.move(x + width * 0.4, y + 90);
    await tab.page.mouse.down();
    await tab.page.mouse.move(x + width * 0.5, y + 95, { steps: 4 });
    await tab.page.mouse.up();
    expect(await windowMs()).toBeGreaterThan(200_000);
    expect(await windowMs()).toBeLessThan(300_000);
    await tab.page.mouse.dblclick(x + width * 0.6, y + 92);
    expect(await windowMs()).toBeGreaterThan(2_399_000);
  });

  it('should zoom by the wheel once it is chosen, and leave the wheel to the page before', async () => {
    const { x, y, width } = await box();
    await tab.page.evaluate('document.activeElement.blur()');
    await tab.page.mouse.move(x + width / 2, y + 60);
    await tab.page.mouse.wheel(0, -300);
    await settled();
    expect(await windowMs()).toBeGreaterThan(2_399_000);
    await tab.page.focus('#diagram-canvas');
    const again = await box();
    await tab.page.mouse.move(again.x + width / 2, again.y + 60);
    await tab.page.mouse.wheel(0, -300);
    await expect.poll(windowMs).toBeLessThan(1_400_000);
  });

  it('should be used by keyboard: zoom, pan, step, zoom to a thing, leave', async () => {
    await press('+', '+');
    const zoomed = await windowMs();
    expect(zoomed).toBeLessThan(1_000_000);
    const from = () => tab.page.evaluate<number>('hotfire.timeWindow().fromMs');
    const before = await from();
    await press('ArrowRight');
    expect(await from()).toBeGreaterThan(before);
    expect(Math.abs((await windowMs()) - zoomed)).toBeLessThan(1);
    await press('Home');
    expect(await from()).toBe(0);
    await press('ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowDown');
    expect(await detail()).toMatch(/called|sent|kind/);
    await press('Enter');
    expect(await windowMs()).toBeLessThan(100);
    await press('0', 'Escape');
    expect(await windowMs()).toBeGreaterThan(2_399_000);
    expect(await detail()).toBe('Nothing is chosen.');
    await press('Escape');
    expect(await tab.page.evaluate<string>('document.activeElement.tagName')).toBe('BODY');
  });

  it('should search labels, nodes, operations and logs, and go from hit to hit', async () => {
    const hits = () => tab.page.textContent('#diagram-hits');
    await tab.page.fill('#diagram-search', 'query get');
    expect(await hits()).toBe('79 hits');
    await tab.page.keyboard.press('Enter');
    expect(await hits()).toBe('1 of 79 hits');
    expect(await detail()).toContain('GET /v1/query');
    await press('n', 'n', 'N');
    expect(await hits()).toBe('2 of 79 hits');
    await tab.page.fill('#diagram-search', 'stemedb-1 error slow');
    expect(await hits()).toBe('5 hits');
    await tab.page.keyboard.press('Enter');
    expect(await detail()).toContain('slow fsync');
    await tab.page.fill('#diagram-search', 's-36 info');
    await tab.page.keyboard.press('Enter');
    expect(await detail()).toContain('TIMEOUT: no answer within 5 s');
    await tab.page.fill('#diagram-search', 'nowhere');
    expect(await hits()).toBe('no hits');
    await tab.page.fill('#diagram-search', '');
  });

  it('should filter lanes, kinds of messages, and show the lost ones alone', async () => {
    const counted = () => tab.page.textContent('#diagram-counted');
    await tab.page.click('#diagram .chip:text("only lost")');
    await settled();
    expect(await counted()).toBe('5 messages');
    await tab.page.click('#diagram .chip:text("only lost")');
    await tab.page.click('#diagram .chip:text("GET /v1/query")');
    await settled();
    expect(await counted()).toBe('355 messages');
    await tab.page.click('#diagram .chip:text("GET /v1/query")');
    await tab.page.click('#diagram .chip:text-is("client-1")');
    await settled();
    expect(Number.parseInt((await counted()) ?? '', 10)).toBeLessThan(300);
    await tab.page.click('#diagram .chip:text-is("client-1")');
  });

  it('should tell all about a message under the pointer, and about an operation with its fault and its spans', async () => {
    await tab.page.evaluate('hotfire.setTimeWindow(600_000, 600_040)');
    await tab.page.evaluate('hotfire.showItem(hotfire.diagram.operationItem(50))');
    await settled();
    expect(await detail()).toContain('Operation 50: assert');
    expect(await detail()).toContain('disk.slow-sync stemedb-1');
    expect(await tab.page.$$eval('#diagram-detail .fall', (rows) => rows.map((row) => row.textContent))).toHaveLength(
      2,
    );
    const at = await tab.page.evaluate<{ x: number; y: number }>('hotfire.diagram.middleOfMessage(0)');
    const { x, y } = await box();
    await tab.page.mouse.move(x + at.x, y + at.y);
    expect(await tab.page.textContent('.tip')).toMatch(/client-\d → stemedb-1: POST \/v1\/assert/);
    await tab.page.mouse.click(x + at.x, y + at.y);
    expect(await detail()).toContain('POST /v1/assert');
  });

  it('should tell all about a span, and find it by name', async () => {
    await tab.page.fill('#diagram-search', 'wal.append');
    expect(await tab.page.textContent('#diagram-hits')).toBe('195 hits');
    await tab.page.keyboard.press('Enter');
    expect(await detail()).toContain('wal.append');
    expect(await detail()).toContain('"http.route": "POST /v1/assert"');
    expect(await tab.page.$$eval('#diagram-detail .fall', (rows) => rows.length)).toBe(2);
    await press('Enter');
    const at = await tab.page.evaluate<{ x: number; y: number }>('hotfire.diagram.middleOfSpan("stemedb-1", 0)');
    const { x, y } = await box();
    await tab.page.mouse.click(x + at.x, y + at.y);
    expect(await detail()).toContain('POST /v1/assert');
    expect(await detail()).toContain('stemedb-1, process 1');
    await tab.page.fill('#diagram-search', '');
  });

  it('should share one time window with the charts', async () => {
    await tab.page.evaluate('hotfire.setTimeWindow(600_000, 900_000)');
    await tab.page.locator('#zoom-reset').waitFor({ state: 'visible' });
    expect(await tab.page.textContent('#time-window')).toBe('10:00 – 15:00 (5 min)');
    await tab.page.click('#time-whole');
    await tab.page.locator('#zoom-reset').waitFor({ state: 'hidden' });
  });

  it('should keep the time window in its address, and open where an address leads', async () => {
    await tab.page.evaluate('hotfire.setTimeWindow(600_000.5, 900_000)');
    await expect.poll(() => tab.page.url()).toBe(`${url('few')}#t=600000.5-900000`);
    await tab.page.click('#time-whole');
    await expect.poll(() => tab.page.url()).toBe(url('few'));
    await tab.visit(`${url('unobserved')}#t=60000-120000`);
    expect(await windowMs()).toBe(60_000);
    await tab.visit(url('few'));
  });

  it('should draw what the timeline tells when the run was not observed', async () => {
    await tab.visit(url('unobserved'));
    expect((await look()).colours).toBeGreaterThan(10);
    await tab.visit(url('few'));
  });

  it('should stay usable with 100,000 messages: density far away, arrows near', async () => {
    await tab.visit(url('many'));
    expect(await tab.page.textContent('#diagram-counted')).toMatch(
      /^100,\d{3} messages: zoom in for arrows$|^100,000 messages/,
    );
    expect(await tab.page.textContent('#diagram-left-out')).toMatch(
      /^\d[\d,]* messages( and [\d,]+ spans)? of the run are not/,
    );
    expect((await look()).colours).toBeGreaterThan(20);
    await press(...Array.from({ length: 12 }, () => '+'));
    expect(await tab.page.textContent('#diagram-counted')).toMatch(/^[\d,]+ messages$/);
    await tab.page.fill('#diagram-search', 'query');
    await tab.page.keyboard.press('Enter');
    expect(await detail()).toContain('query');
    await press('0', 'ArrowDown');
    expect(await detail()).not.toContain('Nothing is chosen');
  });

  it('should say nothing on the console', () => {
    expect(tab.said).toEqual([]);
  });
});
