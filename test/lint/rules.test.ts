import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const fixtures = join(import.meta.dirname, 'fixtures');
const boundary = ['host', 'wire', 'storage', 'consensus', 'membership', 'engines'];

/** Rules under test: the others (unused names, import order) do not matter in a fixture. */
const rules = /^(lint\/style\/noRestrictedImports|lint\/style\/noRestrictedGlobals|plugin)/;

interface Diagnostic {
  readonly category: string;
  readonly location: { readonly path: string; readonly start: { readonly line: number } };
}

const places: { fixture: string; as: string }[] = [
  ...readdirSync(join(fixtures, 'floors')).map((file) => ({
    fixture: join('floors', file),
    as: `src/${file.replace('.ts', '')}/fixture.ts`,
  })),
  ...boundary.flatMap((floor) =>
    readdirSync(join(fixtures, 'determinism')).map((file) => ({
      fixture: join('determinism', file),
      as: `src/${floor}/${file}`,
    })),
  ),
];

describe('lint rules of the house', () => {
  let directory: string;
  const linesWithDiagnostic = new Map<string, Set<number>>();

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'hotfire-lint-'));
    cpSync(join(root, 'lint'), join(directory, 'lint'), { recursive: true });
    const config = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8')) as Record<string, unknown>;
    writeFileSync(join(directory, 'biome.json'), JSON.stringify({ ...config, $schema: undefined, vcs: undefined }));
    for (const { fixture, as } of places) {
      mkdirSync(dirname(join(directory, as)), { recursive: true });
      cpSync(join(fixtures, fixture), join(directory, as));
    }
    const report = lint(directory);
    for (const diagnostic of report.diagnostics) {
      if (!rules.test(diagnostic.category)) continue;
      const lines = linesWithDiagnostic.get(diagnostic.location.path) ?? new Set();
      lines.add(diagnostic.location.start.line);
      linesWithDiagnostic.set(diagnostic.location.path, lines);
    }
  }, 60_000);

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  for (const { fixture, as } of places) {
    it(`bites on each marked line, and on no other, of ${fixture} as ${as}`, () => {
      const marked = readFileSync(join(fixtures, fixture), 'utf8')
        .split('\n')
        .flatMap((line, index) => (line.endsWith('// must fail') ? [index + 1] : []));
      expect(marked.length).toBeGreaterThan(0);
      expect([...(linesWithDiagnostic.get(as) ?? [])].sort((a, b) => a - b)).toEqual(marked);
    });
  }
});

/** Runs Biome over a directory and reads its JSON report; it exits with 1 when it finds something. */
function lint(cwd: string): { diagnostics: Diagnostic[] } {
  const biome = join(root, 'node_modules/.bin/biome');
  const { stdout, error } = spawnSync(biome, ['lint', '--reporter=json', '--max-diagnostics=none', '.'], {
    cwd,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  if (error !== undefined) throw error;
  // The shape is that of Biome's JSON reporter.
  return JSON.parse(stdout) as { diagnostics: Diagnostic[] };
}
