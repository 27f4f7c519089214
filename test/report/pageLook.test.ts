import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeReport } from '../../src/report/writeReport.ts';
import { hasChromium, openTab, type Tab } from './browser.ts';
import { observedSample } from './sampleObservations.ts';
import { sampleRecord } from './sampleRecord.ts';

/** Texts whose contrast with what lies behind them is below 4.5, by the formula of WCAG 2. Runs in the page. */
const FAINT = `(() => {
  const pen = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const over = ([r, g, b, a], [x, y, z]) => [r, g, b].map((value, at) => (value * a + [x, y, z][at] * (255 - a)) / 255);
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(rgba(getComputedStyle(one).backgroundColor));
    return layers.reduceRight((ground, layer) => over(layer, ground), [255, 255, 255]);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const faint = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (walker.currentNode.textContent.trim() === '' || !element.checkVisibility({ visibilityProperty: true })) continue;
    const ground = behind(element);
    const style = getComputedStyle(element);
    if (element.disabled) continue;
    const value = contrast(over(rgba(style.color), ground), ground);
    if (value < 4.5) faint.add(element.tagName + '.' + element.className + ' ' + value.toFixed(2));
  }
  return [...faint];
})()`;

/** Contrasts below 4.5 of the colours that the diagram writes with on those that it writes on. Runs in the page. */
const FAINT_ON_CANVAS = `(() => {
  const style = getComputedStyle(document.documentElement);
  const rgb = (name) => {
    const pen = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    pen.fillStyle = style.getPropertyValue('--' + name).trim();
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => (Math.max(light(rgb(a)), light(rgb(b))) + 0.05) / (Math.min(light(rgb(a)), light(rgb(b))) + 0.05);
  const pairs = [['text', 'card'], ['muted', 'card'], ['text', 'engine'], ['card', 'fault'], ['card', 'good'], ['card', 'warn'], ['card', 'info'], ['bad', 'bad-bg'], ['warn', 'warn-bg']];
  return pairs.filter(([a, b]) => contrast(a, b) < 4.5).map(([a, b]) => a + ' on ' + b + ' ' + contrast(a, b).toFixed(2));
})()`;

/** How much of the page has moved without the reader's doing. */
const SHIFT = `new Promise((done) => {
  new PerformanceObserver((list, observer) => {
    observer.disconnect();
    done(list.getEntries().reduce((sum, { value }) => sum + value, 0));
  }).observe({ type: 'layout-shift', buffered: true });
  setTimeout(() => done(0), 300);
})`;

describe.skipIf(!hasChromium)('how the page looks in a browser (skipped without Chromium)', () => {
  const directory = mkdtempSync(join(tmpdir(), 'look-'));
  const url = (name: string) => pathToFileURL(join(directory, name, 'index.html')).href;
  let tab: Tab;

  beforeAll(async () => {
    await writeReport(observedSample(sampleRecord({ violated: true })), join(directory, 'violated'));
    await writeReport(observedSample(sampleRecord()), join(directory, 'held'));
    tab = await openTab();
  }, 30_000);

  afterAll(async () => {
    await tab?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    for (const name of ['held', 'violated']) {
      it(`should have texts that can be read: ${name}, ${colorScheme}`, async () => {
        await tab.page.emulateMedia({ colorScheme });
        await tab.visit(url(name));
        await tab.page.evaluate(`document.querySelectorAll('details').forEach((one) => { one.open = true; })`);
        await tab.page.evaluate('hotfire.showItem(hotfire.diagram.operationItem(50))');
        expect(await tab.page.evaluate(FAINT)).toEqual([]);
        expect(await tab.page.evaluate(FAINT_ON_CANVAS)).toEqual([]);
      });
    }
  }

  it('should move nothing by itself, also not for readers who allow it', async () => {
    await tab.visit(url('violated'));
    const moving = await tab.page.evaluate<string[]>(`[...document.querySelectorAll('*')].flatMap((element) => {
      const { transitionDuration, animationName, scrollBehavior } = getComputedStyle(element);
      return transitionDuration === '0s' && animationName === 'none' && scrollBehavior === 'auto' ? [] : [element.tagName];
    })`);
    expect(moving).toEqual([]);
  });

  it('should forbid itself everything but its own styles and scripts', async () => {
    expect(await tab.page.getAttribute('meta[http-equiv="Content-Security-Policy"]', 'content')).toBe(
      "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:",
    );
  });

  it('should stand still while it loads', async () => {
    await tab.visit(url('violated'));
    expect(await tab.page.evaluate<number>(SHIFT)).toBeLessThan(0.01);
  });

  it('should fit a screen of 390 pixels, with lanes that still have room', async () => {
    await tab.page.setViewportSize({ width: 390, height: 844 });
    for (const name of ['held', 'violated']) {
      await tab.visit(url(name));
      const overflow = () => tab.page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
      await expect.poll(overflow, { timeout: 5_000 }).toBeLessThanOrEqual(0);
      await tab.page.evaluate('hotfire.showItem(hotfire.diagram.operationItem(50))');
      expect(await overflow()).toBeLessThanOrEqual(0);
      expect(await tab.page.evaluate<number>(`document.querySelector('#diagram-canvas').clientWidth`)).toBeGreaterThan(
        340,
      );
    }
  });

  it('should zoom by two fingers and pan by one', async () => {
    await tab.page.setViewportSize({ width: 390, height: 844 });
    await tab.visit(url('held'));
    const canvas = tab.page.locator('#diagram-canvas');
    await canvas.scrollIntoViewIfNeeded();
    const box = await canvas.boundingBox();
    if (!box) throw new Error('no canvas');
    const session = await tab.page.context().newCDPSession(tab.page);
    const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', xs: readonly number[]) =>
      session.send('Input.dispatchTouchEvent', {
        type,
        touchPoints: xs.map((x, id) => ({ x: box.x + x, y: box.y + 100, id })),
      });
    const stretch = () => tab.page.evaluate<{ fromMs: number; toMs: number }>('hotfire.timeWindow()');
    await touch('touchStart', [150, 200]);
    for (const apart of [40, 60, 80, 100]) await touch('touchMove', [175 - apart, 175 + apart]);
    await touch('touchEnd', []);
    const zoomed = await stretch();
    expect(zoomed.toMs - zoomed.fromMs).toBeLessThan(1_000_000);
    await touch('touchStart', [250]);
    for (const x of [230, 200, 170]) await touch('touchMove', [x]);
    await touch('touchEnd', []);
    const panned = await stretch();
    expect(panned.fromMs).toBeGreaterThan(zoomed.fromMs);
    expect(panned.toMs - panned.fromMs).toBeCloseTo(zoomed.toMs - zoomed.fromMs, 3);
    await session.send('Input.dispatchTouchEvent', {
      type: 'touchStart',
      touchPoints: [{ x: box.x + 180, y: box.y + 150 }],
    });
    await session.send('Input.dispatchTouchEvent', {
      type: 'touchMove',
      touchPoints: [{ x: box.x + 180, y: box.y + 60 }],
    });
    await session.send('Input.dispatchTouchEvent', { type: 'touchCancel', touchPoints: [] });
    expect(await stretch()).toEqual(panned);
    expect(await tab.page.textContent('#diagram-detail')).toContain('Choose an arrow');
    await tab.page.setViewportSize({ width: 1_280, height: 900 });
  });

  it('should print without its controls', async () => {
    await tab.visit(url('violated'));
    await tab.page.emulateMedia({ media: 'print', colorScheme: 'light' });
    expect(await tab.page.locator('.bar').isVisible()).toBe(false);
    expect(await tab.page.locator('.tools').first().isVisible()).toBe(false);
    expect(await tab.page.locator('#diagram-canvas').isVisible()).toBe(true);
    expect((await tab.page.pdf()).length).toBeGreaterThan(10_000);
    await tab.page.emulateMedia({ media: 'screen' });
  });

  it('should say nothing on the console', () => {
    expect(tab.said).toEqual([]);
  });
});
