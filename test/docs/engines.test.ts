import { execFile, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
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

/** Writes the files of the page beside the sources, whose imports lead there; `edit` changes them first. */
function writeFiles(name: string, edit: (text: string) => string): string {
  const files = filesOfThePage();
  expect(files.map(([file]) => file)).toEqual(['src/engines/tally/engine.ts', 'test/engines/tally/powerLoss.ts']);
  for (const [file, text] of files) {
    const path = join(folder, name, file);
    mkdirSync(dirname(path), { recursive: true });
    const sources = '../../../../../../src';
    const source = edit(text)
      .replace(/'\.\.\/\.\.\/\.\.\/src\/(?!engines\/tally)/g, `'${sources}/`)
      .replace(/'\.\.\/\.\.\/(?!\.\.)/g, `'${sources}/`)
      .replace(/'\.\.\/(?!\.\.)/g, `'${sources}/engines/`);
    writeFileSync(path, source);
  }
  return join(folder, name, 'test/engines/tally/powerLoss.ts');
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
  writeFileSync(
    config,
    JSON.stringify({ extends: join(root, 'tsconfig.json'), include: ['src', 'test'], exclude: [] }),
  );
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { stdout } = await promisify(execFile)(process.execPath, [tsc, '-p', config]).catch((error) => error);
  expect(stdout).toBe('');
});

test('should satisfy the linter, in the places that the page gives them', () => {
  const directory = mkdtempSync(join(tmpdir(), 'hotfire-docs-lint-'));
  try {
    cpSync(join(root, 'lint'), join(directory, 'lint'), { recursive: true });
    const config = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8')) as Record<string, unknown>;
    writeFileSync(join(directory, 'biome.json'), JSON.stringify({ ...config, $schema: undefined, vcs: undefined }));
    for (const [file, text] of filesOfThePage()) {
      mkdirSync(dirname(join(directory, file)), { recursive: true });
      writeFileSync(join(directory, file), text);
    }
    const words = [join(root, 'node_modules/@biomejs/biome/bin/biome'), 'ci', '--error-on-warnings', 'src', 'test'];
    const { status, stderr } = spawnSync(process.execPath, words, { cwd: directory, encoding: 'utf8' });
    expect(status, stderr).toBe(0);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

function filesOfThePage(): [file: string, text: string][] {
  const page = readFileSync(join(root, 'docs/engines.md'), 'utf8');
  const blocks = [...page.matchAll(/^<!-- file: (\S+) -->\n```ts\n([\s\S]*?)^```/gm)];
  return blocks.map(([, file = '', text = '']) => [file, text]);
}
