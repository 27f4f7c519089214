import { execFile, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { logAnomalies } from '../../src/checkers/log/checkLog.ts';
import { streamBusChecks } from '../../src/checkers/streambus/index.ts';
import { historyChecks } from '../../src/cli/historyChecks.ts';
import { createProgram } from '../../src/cli/program.ts';

// The page docs/checkers.md: its checker is linted and tested as printed, its tables are what there is. Its blocks run in blocks.test.ts.

const root = resolve(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/checkers.md'), 'utf8');
const files = [...page.matchAll(/^<!-- file: (\S+) -->\n```\w+\n([\s\S]*?)^```/gm)].map(
  ([, file = '', text = '']): [string, string] => [file, text],
);
let folder: string;

beforeAll(() => {
  // Inside the package, so that its libraries are found; git ignores what reports are left there.
  mkdirSync(join(root, 'reports'), { recursive: true });
  folder = mkdtempSync(join(root, 'reports/docs-checkers-'));
  for (const directory of ['src/checkers', 'test/checkers']) {
    mkdirSync(join(folder, directory), { recursive: true });
    for (const name of readdirSync(join(root, directory)))
      symlinkSync(join(root, directory, name), join(folder, directory, name));
  }
  for (const [file, text] of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(words: readonly string[], directory = folder) {
  return spawnSync(process.execPath, [...words], { cwd: directory, encoding: 'utf8' });
}

test('should show a checker whose tests hold, and fail without its heart', async () => {
  expect(files.map(([file]) => file)).toEqual([
    'history.ndjson',
    'src/checkers/tally/counted.ts',
    'test/checkers/tally/counted.test.ts',
  ]);
  const vitest = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--root', folder, 'tally'];
  const good = await promisify(execFile)(process.execPath, vitest).catch((error) => error);
  expect(good.stdout).toMatch(/3 passed/);
  const source = join(folder, 'src/checkers/tally/counted.ts');
  const text = readFileSync(source, 'utf8');
  writeFileSync(source, text.replace('total <= possible.length', 'total <= operations.length'));
  const bad = await promisify(execFile)(process.execPath, vitest).catch((error) => error);
  writeFileSync(source, text);
  expect(bad.stdout).toMatch(/1 failed/);
});

test('should list the checks of streambus, and no other', () => {
  const table = page.slice(page.indexOf('<!-- streambus checks -->')).split('\n\n')[0] ?? '';
  const names = [...table.matchAll(/^\| ([^|]+) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  );
  expect(names.sort()).toEqual(streamBusChecks.map(({ name }) => name).sort());
});

test('should satisfy the linter', () => {
  const linted = join(folder, 'linted');
  for (const [file, text] of files.filter(([name]) => name.endsWith('.ts'))) {
    mkdirSync(dirname(join(linted, file)), { recursive: true });
    writeFileSync(join(linted, file), text);
  }
  cpSync(join(root, 'lint'), join(linted, 'lint'), { recursive: true });
  const rules = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8')) as Record<string, unknown>;
  writeFileSync(
    join(linted, 'biome.json'),
    JSON.stringify({ ...rules, root: true, $schema: undefined, vcs: undefined }),
  );
  const biome = [join(root, 'node_modules/@biomejs/biome/bin/biome'), 'ci', '--error-on-warnings', 'src', 'test'];
  const { status, stderr } = run(biome, linted);
  expect(status, stderr).toBe(0);
});

/** Rows of the table behind a mark: the words in backquotes of the first column, and of the last. */
function table(mark: string): [first: string[], last: string[]][] {
  const rows =
    page.slice(page.indexOf(mark) + mark.length).match(/^\|[\s\S]*?(?=^[^|\n]|^$(?![\s\S])|\n\n)/m)?.[0] ?? '';
  const words = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
  return rows
    .trim()
    .split('\n')
    .slice(2)
    .map((row) => row.split('|').slice(1, -1))
    .map((cells) => [words(cells[0]), words(cells.at(-1))]);
}

test('should list every model with its checks, and no other', async () => {
  const program = await createProgram('check');
  const check = program.commands.find((command) => command.name() === 'check');
  const models = check?.options.find(({ long }) => long === '--model')?.argChoices;
  const rows = table('<!-- models -->');
  expect(rows.flatMap(([names]) => names)).toEqual(models);
  for (const [[name = ''], checks] of rows) {
    const expected = historyChecks.get(name)?.checks ?? (name === 'log' ? logAnomalies : ['linearizable']);
    expect(checks).toEqual(expected);
  }
});

test('should show a state at the end that each model takes, for all that take one', () => {
  const taking = [...historyChecks].filter(([, { final }]) => final !== 'none').map(([name]) => name);
  const rows = table('<!-- finals -->');
  expect(rows.flatMap(([names]) => names)).toEqual(taking);
  const options = { staleReads: false, delivery: 'exactly-once', clockErrorMs: 0 } as const;
  const opening = { id: 0, process: 0, f: 'open', input: { alice: 10, bob: 0 }, outcome: 'ok', output: null } as const;
  const times = { invokedAt: 0, completedAt: 1, invokedOrder: 0, completedOrder: 1 };
  for (const [names, [text = '']] of rows) {
    for (const name of names) {
      const operations = name === 'sums' ? [{ ...opening, ...times }] : [];
      expect(() => historyChecks.get(name)?.run(operations, JSON.parse(text), options)).not.toThrow();
      expect(() => historyChecks.get(name)?.run(operations, { nothing: 1 }, options)).toThrow();
    }
  }
});

test('should name functions and files that are there', async () => {
  const named = [...page.matchAll(/`((?:[\w]+\/)*\w+\.ts)` `(check\w+)`/g)];
  expect(named.length).toBeGreaterThan(8);
  for (const [, file = '', name = ''] of named) {
    const module = (await import(join(root, 'src/checkers', file))) as Record<string, unknown>;
    expect(typeof module[name], `${file} ${name}`).toBe('function');
  }
});
