import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { contentHash, corpusDirectory, keepFailure } from '../../src/chaos/corpus.ts';

const root = resolve(import.meta.dirname, '../..');
const kept = globSync(`${corpusDirectory}/*.yaml`, { cwd: root }).sort();

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotfire-corpus-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const scenario = 'title: Chaos\nengine: stemedb\nseed: 7\ntimeline:\n  - at: 1ms\n    fault: process.kill\n';
const provenance = {
  engine: 'stemedb',
  run: '17.60',
  checks: ['C6 ack-after-sync', 'C19 metrics'],
  commit: '0123456789abcdef0123456789abcdef01234567',
  command: 'npx hotfire chaos stemedb --run 17.60',
};

test('should keep a failure with where it came from, and play the same', () => {
  const { file, isNew } = keepFailure(folder, scenario, provenance);
  expect(isNew).toBe(true);
  expect(file).toBe(join(corpusDirectory, `stemedb-${contentHash(scenario)}.yaml`));
  const text = readFileSync(join(folder, file), 'utf8');
  expect(text.split('\n').slice(0, 4)).toEqual([
    '# Run: 17.60',
    '# Checks: C6 ack-after-sync, C19 metrics',
    '# Failed on commit: 0123456789abcdef0123456789abcdef01234567',
    '# Seen there with: npx hotfire chaos stemedb --run 17.60',
  ]);
  const { source, ...played } = parse(text) as Record<string, unknown>;
  expect(source).toBe('found by chaos, run 17.60, on commit 0123456789ab');
  expect(played).toEqual(parse(scenario));
});

test('should keep the same scenario once, whoever finds it and whatever people have written above it', () => {
  const { file } = keepFailure(folder, scenario, provenance);
  const path = join(folder, file);
  const explained = readFileSync(path, 'utf8').replace('title: Chaos', 'title: A kill in the first millisecond');
  writeFileSync(path, explained);
  expect(keepFailure(folder, scenario, { ...provenance, run: '99' })).toEqual({ file, isNew: false });
  expect(readFileSync(path, 'utf8')).toBe(explained);
  expect(contentHash(explained)).toBe(contentHash(scenario));
  const other = keepFailure(folder, scenario.replace('seed: 7', 'seed: 8'), provenance);
  expect(other.isNew).toBe(true);
  expect(other.file).not.toBe(file);
});

test('should name the schema for editors where there is one', () => {
  mkdirSync(join(folder, 'with', 'scenarios'), { recursive: true });
  writeFileSync(join(folder, 'with', 'scenarios', 'schema.json'), '{}');
  const { file } = keepFailure(join(folder, 'with'), scenario, provenance);
  expect(readFileSync(join(folder, 'with', file), 'utf8')).toMatch(
    /^# yaml-language-server: \$schema=\.\.\/schema\.json\n# Run: 17\.60\n/,
  );
});

test('should have kept something', () => {
  expect(kept.length).toBeGreaterThanOrEqual(3);
});

test.each(kept)('%s should be named by its content and say where it came from', (file) => {
  const text = readFileSync(join(root, file), 'utf8');
  const { engine, source } = parse(text) as Record<string, unknown>;
  expect(basename(file)).toBe(`${String(engine)}-${contentHash(text)}.yaml`);
  expect(text).toMatch(/^# Run: \d/m);
  expect(text).toMatch(/^# Checks: \S/m);
  expect(text).toMatch(/^# Seen there with: npx hotfire /m);
  const [, commit = ''] = /^# Failed on commit: ([0-9a-f]{40})$/m.exec(text) ?? [];
  expect(source).toContain(`on commit ${commit.slice(0, 12)}`);
});
