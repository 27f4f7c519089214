import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Operation } from '../../src/checkers/history.ts';
import { historyFromNdjson } from '../../src/checkers/recorder.ts';
import { writeHistory } from '../../src/report/historyFile.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'history-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** One after the other: writes of 1, 2, 3 …, each read back; the last write has no answer. */
function registerHistory(rounds: number): Operation[] {
  let order = 0;
  const one = (id: number, f: string, value: number): Operation => ({
    id,
    process: 0,
    f,
    input: f === 'write' ? value : undefined,
    invokedAt: id,
    completedAt: id + 0.5,
    outcome: 'ok',
    invokedOrder: order++,
    completedOrder: order++,
    ...(f === 'read' ? { output: value } : {}),
    node: 'n',
    ...(id % 2 === 0 ? { faults: [1, 2] } : {}),
  });
  const operations = Array.from({ length: rounds }, (_, index) => [
    one(2 * index, 'write', index + 1),
    one(2 * index + 1, 'read', index + 1),
  ]).flat();
  const { completedAt: _at, completedOrder: _order, ...open } = one(2 * rounds, 'write', 0);
  const never = Number.POSITIVE_INFINITY;
  return [...operations, { ...open, outcome: 'info', completedAt: never, completedOrder: never }];
}

function check(file: string): number | null {
  const main = join(import.meta.dirname, '../../src/cli/main.ts');
  return spawnSync(process.execPath, [main, 'check', file, '--model', 'register'], { encoding: 'utf8' }).status;
}

describe('the history of a report', () => {
  it('should be read back as it was, however long, with the links to faults', async () => {
    // More than are made into one text at a time.
    const operations = registerHistory(6_000);
    const path = await writeHistory(operations, directory);
    expect(historyFromNdjson(gunzipSync(readFileSync(path)).toString())).toEqual(operations.map(withoutUndefined));
  });

  it('should be what hotfire check reads', async () => {
    const operations = registerHistory(20);
    expect(check(await writeHistory(operations, directory))).toBe(0);
    const wrong = operations.map((operation) => (operation.id === 11 ? { ...operation, output: 1 } : operation));
    expect(check(await writeHistory(wrong, directory))).toBe(1);
  });
});

/** As JSON has it: what is undefined is not there. */
function withoutUndefined({ input, ...operation }: Operation): object {
  return input === undefined ? operation : { ...operation, input };
}
