import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { PlayedRun } from '../../../src/chaos/campaign.ts';
import { classifyFindings, type Replayed, signatureOf } from '../../../src/chaos/findings/classify.ts';
import {
  type Finding,
  findingsSchemaText,
  readFindings,
  writeFindings,
} from '../../../src/chaos/findings/findingsFile.ts';
import { failedRun } from '../../support/failedRun.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotfire-findings-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function failed(run: string, check: string, faults: readonly string[], seed = 1): PlayedRun {
  const timeline = faults.map((fault) => `  - at: 5ms\n    fault: ${fault}\n`).join('');
  const scenario = `seed: ${seed}\ntimeline:${timeline === '' ? ' []\n' : `\n${timeline}`}`;
  const failure = { checks: [check], reasons: [`${check}: it broke`], scenario, shrinkRuns: 3 };
  return failedRun(run, failure, faults);
}

function campaign(
  commit: string,
  results: readonly PlayedRun[],
  last?: readonly Finding[],
  replayed: Replayed = 'held',
) {
  return classifyFindings({ engine: 'stemedb', commit, last, results, replay: async () => replayed });
}

test('should take failures of other seeds, by the same checks and kinds of faults, for one finding', async () => {
  const found = await campaign('c1', [
    failed('3', 'C6', ['process.kill', 'disk.stall', 'disk.stall'], 3),
    failed('8.9', 'C6', ['disk.stall', 'process.kill'], 8),
    failed('10', 'C6', ['disk.stall']),
    failed('11', 'C9', ['disk.stall', 'process.kill']),
  ]);
  expect(found.map(({ state, checks, faults, runs }) => ({ state, checks, faults, runs }))).toEqual([
    { state: 'new', checks: ['C6'], faults: ['disk.stall', 'process.kill'], runs: ['3', '8.9'] },
    { state: 'new', checks: ['C6'], faults: ['disk.stall'], runs: ['10'] },
    { state: 'new', checks: ['C9'], faults: ['disk.stall', 'process.kill'], runs: ['11'] },
  ]);
  expect(new Set(found.map(({ id }) => id)).size).toBe(3);
  expect(signatureOf('another', { checks: ['C6'], scenario: found[1]?.scenario ?? '' }).id).not.toBe(found[1]?.id);
});

test('should call what is found again ongoing, and remember where it was first seen', async () => {
  const before = await campaign('c1', [failed('3', 'C6', [])]);
  const replay = vi.fn();
  const results = [failed('70', 'C6', [], 70), failed('71', 'C7', [])];
  const found = await classifyFindings({ engine: 'stemedb', commit: 'c2', last: before, results, replay });
  expect(found.map(({ state, firstSeen, lastSeen }) => ({ state, firstSeen, lastSeen }))).toEqual([
    { state: 'ongoing', firstSeen: { commit: 'c1', run: '3' }, lastSeen: { commit: 'c2', run: '70' } },
    { state: 'new', firstSeen: { commit: 'c2', run: '71' }, lastSeen: { commit: 'c2', run: '71' } },
  ]);
  expect(replay).not.toHaveBeenCalled();
});

test.each([
  ['held', 'resolved'],
  ['violated', 'ongoing'],
  ['undecided', 'ongoing'],
  ['unplayable', 'ongoing'],
  ['not replayed', 'ongoing'],
] as const)('should call a finding that no run showed and whose replay was %s %s', async (replayed, state) => {
  const before = await campaign('c1', [failed('3', 'C6', [])]);
  const [found] = await campaign('c2', [], before, replayed);
  expect(found).toMatchObject({ state, replayed, runs: [] });
  expect(found?.lastSeen).toEqual({ commit: replayed === 'violated' ? 'c2' : 'c1', run: '3' });
});

test('should not call resolved what holds under its own seed and fails under another', async () => {
  const before = await campaign('c1', [failed('3', 'C6', [])]);
  const seeds: (number | undefined)[] = [];
  const found = await classifyFindings({
    engine: 'stemedb',
    commit: 'c2',
    last: before,
    results: [],
    replay: async (_, seed) => {
      seeds.push(seed);
      return seed === 3 ? 'violated' : 'held';
    },
  });
  expect(found).toMatchObject([{ state: 'ongoing', replayed: 'violated', lastSeen: { commit: 'c2' } }]);
  expect(seeds).toEqual([undefined, 1, 2, 3]);
});

test('should mark what a search that was ended left, and take nothing that fails without the planted bug too', async () => {
  const [whole, part, other] = [failed('3', 'C6', []), failed('4', 'C7', []), failed('5', 'C8', [])];
  const size = { faults: 0, nodes: 1, operations: 1, virtualMs: 1 };
  const explanation = { before: size, after: size, runs: 3, steps: [], oneMinimal: true };
  const withMore = (run: PlayedRun, more: Partial<NonNullable<PlayedRun['failure']>>): PlayedRun =>
    run.failure === undefined ? run : { ...run, failure: { ...run.failure, ...more } };
  const found = await campaign('c1', [
    withMore(whole, { explanation: { ...explanation, endedBy: 'minimal' }, withoutMutants: 'held' }),
    withMore(part, { explanation: { ...explanation, endedBy: 'runs' }, withoutMutants: 'held' }),
    withMore(other, { withoutMutants: 'violated' }),
  ]);
  expect(found.map(({ checks, unfinished }) => [checks, unfinished])).toEqual([
    [['C6'], undefined],
    [['C7'], true],
  ]);
});

test('should forget what was resolved, and call it new when it is back', async () => {
  const before = await campaign('c2', [], await campaign('c1', [failed('3', 'C6', [])]), 'held');
  expect(before.map(({ state }) => state)).toEqual(['resolved']);
  expect(await campaign('c3', [], before)).toEqual([]);
  expect(await campaign('c3', [failed('5', 'C6', [])], before)).toMatchObject([
    { state: 'new', firstSeen: { commit: 'c3', run: '5' } },
  ]);
});

test('should read back what it wrote, and leave nothing else behind', async () => {
  const file = join(folder, 'findings.json');
  const findings = await campaign('c1', [failed('3', 'C6', ['disk.stall'])]);
  expect(readFindings(file, 'stemedb', undefined)).toBeUndefined();
  for (const mutant of ['a-bug', 'b-bug']) {
    writeFindings(file, { version: 1, kind: 'hotfire findings', engine: 'stemedb', mutant, commit: 'c1', findings });
    expect(readFindings(file, 'stemedb', mutant)?.findings).toEqual(findings);
  }
  expect(readdirSync(folder)).toEqual(['findings.json']);
  const published = new Ajv2020({ strict: false }).compile(JSON.parse(findingsSchemaText()));
  expect(published(JSON.parse(readFileSync(file, 'utf8'))), JSON.stringify(published.errors)).toBe(true);
  expect(published({ version: 1 })).toBe(false);
  expect(() => readFindings(file, 'stemedb', undefined)).toThrow(
    'expected the findings of stemedb in ' +
      `${file}, got those of stemedb with the planted bug b-bug; give another file, or delete this one to begin anew`,
  );
});

test.each([
  ['{"version": 1, "kind": "hotf', 'but it cannot be read'],
  ['{"version": 2}', 'got something else'],
  ['[]', 'got something else'],
  ['{"version":1,"kind":"hotfire findings","engine":"stemedb","commit":"c","findings":[{"id":"x"}]}', 'findings.0'],
])('should refuse the damaged or foreign file %j', (text, said) => {
  const file = join(folder, 'damaged.json');
  writeFileSync(file, text);
  expect(() => readFindings(file, 'stemedb', undefined)).toThrow(said);
  expect(readFileSync(file, 'utf8')).toBe(text);
});
