import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Page } from 'playwright-core';

const CHROMIUM = '/usr/bin/chromium';

/** Whether a browser is on this machine. */
export const hasChromium = existsSync(CHROMIUM);

/** A page with what it said and asked for. */
export interface Tab {
  readonly page: Page;
  /** Opens a report and waits until it is put together. */
  visit(url: string): Promise<void>;
  /** Console messages and uncaught errors. */
  readonly said: readonly string[];
  /** Every request. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

/** Opens a page in a browser of its own with an empty profile. */
export async function openTab(width = 1_280): Promise<Tab> {
  const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    headless: true,
    viewport: { width, height: 900 },
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  const page = await context.newPage();
  const said: string[] = [];
  const asked: string[] = [];
  page.on('console', (message) => said.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => said.push(String(error)));
  page.on('request', (request) => asked.push(request.url()));
  return {
    page,
    async visit(url) {
      await page.goto(url);
      await page.waitForSelector('html[data-ready]');
    },
    said,
    asked,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
