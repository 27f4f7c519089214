import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { stringify } from 'yaml';
import type { PlayedRun } from '../../../src/chaos/campaign.ts';
import { drawRun } from '../../../src/chaos/runId.ts';
import { createFailureDesk } from '../../../src/cli/chaos/failureDesk.ts';
import type { ChaosFlags } from '../../../src/cli/chaos/options.ts';
import { definitionOf } from '../../../src/cli/planted.ts';
import { failedRun } from '../../support/failedRun.ts';

let folder: string;
let printed: string;
let complained: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotfire-desk-'));
  printed = '';
  complained = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    complained += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

const definition = definitionOf('stemedb');
const progress = { ended: () => {}, shrinking: () => {}, clear: () => {} };

/** A run that is said to have failed, with the scenario of one that holds. */
function failed(run: string): PlayedRun {
  const scenario = stringify(definition.scenarioOf(drawRun(definition, run)), { lineWidth: 0 });
  const failure = { checks: ['C6 ack-after-sync'], reasons: ['C6 ack-after-sync: it broke'], scenario, shrinkRuns: 4 };
  return failedRun(run, failure);
}

function desk(more: Partial<ChaosFlags> = {}) {
  const shard = { index: 1, of: 1 };
  const flags: ChaosFlags = { seeds: 1, seed: 1, shard, shrink: 0, out: join(folder, 'out'), ...more };
  return createFailureDesk('stemedb', flags, 'f'.repeat(40), progress, folder);
}

test('should keep a failure when it is told to, once, and say so', async () => {
  const keeping = desk({ keep: true });
  keeping.take(failed('12'));
  keeping.take(failed('12'));
  await keeping.written();
  const [file = ''] = globSync('scenarios/regressions/stemedb-*.yaml', { cwd: folder });
  expect(printed.match(/kept: {4}(.*)/g)).toEqual([`kept:    ${file}`, `kept:    ${file} (was there)`]);
  expect(readFileSync(join(folder, file), 'utf8')).toContain('# Seen there with: npx hotfire chaos stemedb --run 12\n');
});

test('should keep nothing unasked, and say when the report shows no failure', async () => {
  const plain = desk();
  plain.take(failed('12'));
  await plain.written();
  expect(globSync('scenarios/**', { cwd: folder })).toEqual([]);
  expect(printed).toContain('(it shows a run that held: please report this as a defect of the stand)');
  expect(printed).not.toContain('kept:');
});

test('should go on when what a failure leaves cannot be written', async () => {
  mkdirSync(join(folder, 'out'));
  writeFileSync(join(folder, 'out/stemedb-12'), 'in the way');
  const going = desk();
  going.take(failed('12'));
  going.take(failed('8'));
  await going.written();
  expect(complained).toMatch(/^error: what run 12 left could not be written: EEXIST/);
  expect(printed).toContain('run 8: C6 ack-after-sync');
});
