import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { caseFiles, runFile } from './datadriven/run.ts';

const root = join(import.meta.dirname, '../../../shared/conformance/etcd-raft');
const present = existsSync(root);

describe.skipIf(!present)("etcd's raft, case by case (skipped without shared/conformance/etcd-raft)", () => {
  const files = present ? caseFiles(root) : [];
  let cases = 0;

  test.each(files.map((path) => [path.slice(root.length + 1), path]))('%s', (_, path) => {
    const result = runFile(path, root);
    cases += result.cases;
    expect(result.failures).toEqual([]);
    expect(result.cases).toBeGreaterThan(0);
  });

  test('counts its cases', () => {
    console.log(`etcd-raft: ${files.length} files, ${cases} cases passed`);
    expect(cases).toBeGreaterThan(0);
  });
});
