import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

// The code of docs/engines.md, compiled and run as it is printed there.

const root = resolve(import.meta.dirname, '../..');
let folder: string;
beforeAll(() => {
  // Inside the package, so that its libraries are found; git ignores what reports are left there.
  folder = mkdtempSync(join(root, 'reports/docs-engines-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Writes the files of the page as if they lay in `src/engines`; `edit` changes them first. */
function writeFiles(name: string, edit: (text: string) => string): string {
  const page = readFileSync(join(root, 'docs/engines.md'), 'utf8');
  const blocks = [...page.matchAll(/^<!-- file: (\S+) -->\n```ts\n([\s\S]*?)^```/gm)];
  expect(blocks.map(([, file]) => file)).toEqual(['tally/engine.ts', 'tally/powerLoss.ts']);
  for (const [, file = '', text = ''] of blocks) {
    const path = join(folder, name, file);
    mkdirSync(dirname(path), { recursive: true });
    const source = edit(text)
      .replace(/'\.\.\/(?!\.\.)/g, "'../../engines/")
      .replaceAll("'../../", "'../../../../src/");
    writeFileSync(path, source);
  }
  return join(folder, name, 'tally/powerLoss.ts');
}

async function play(file: string, seed: number): Promise<{ answered: number; found: number }> {
  const script = `
    const { playPowerLoss } = await import('${pathToFileURL(file).href}');
    console.log(JSON.stringify(await playPowerLoss(${seed})));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
  return JSON.parse(stdout);
}

test('should keep what it answered over a loss of power, and lose it without the sync', async () => {
  const good = await play(
    writeFiles('good', (text) => text),
    1,
  );
  expect(good.answered).toBeGreaterThan(50);
  expect(good.found).toBeGreaterThanOrEqual(good.answered);
  const bad = await play(
    writeFiles('bad', (text) => text.replace('durable: true', 'durable: false')),
    1,
  );
  expect(bad.answered).toBeGreaterThan(50);
  expect(bad.found).toBeLessThan(bad.answered);
});

test('should satisfy the compiler', async () => {
  writeFiles('typed', (text) => text);
  const config = join(folder, 'typed/tsconfig.json');
  writeFileSync(config, JSON.stringify({ extends: join(root, 'tsconfig.json'), include: ['tally'], exclude: [] }));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { stdout } = await promisify(execFile)(process.execPath, [tsc, '-p', config]).catch((error) => error);
  expect(stdout).toBe('');
});
