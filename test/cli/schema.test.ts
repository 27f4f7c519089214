import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

function schema(...words: string[]) {
  return spawnSync(process.execPath, [join(root, 'src/cli/main.ts'), 'schema', ...words], { encoding: 'utf8' });
}

describe('hotfire schema', () => {
  it.each([
    ['report', 'scenarios/report.schema.json'],
    ['scenario', 'scenarios/schema.json'],
  ])('should print what is published: %s', (of, file) => {
    const { status, stdout } = schema(of);
    expect(status).toBe(0);
    expect(stdout).toBe(readFileSync(join(root, file), 'utf8'));
  });

  it('should end with 64 for a file that has none, and say which have', () => {
    const { status, stderr } = schema('journal');
    expect(status).toBe(64);
    expect(stderr).toMatch(/report.*scenario/);
  });
});
