import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { type ChaosExecutor, type ChaosFlags, chaos } from '../../../src/cli/chaos.ts';

// A queue holds the only copy of the results: it may be told that they are not needed only when they are written.

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotfire-written-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => vi.restoreAllMocks());

const flags = (): ChaosFlags => ({
  seeds: 2,
  seed: 1,
  blind: true,
  shard: { index: 1, of: 1 },
  json: join(folder, 'chaos.json'),
  findings: join(folder, 'findings.json'),
  out: join(folder, 'reports'),
  shrink: 0,
});

function executor(ended: string[]): ChaosExecutor {
  return {
    width: 2,
    run: async () => ({
      verdict: 'held',
      fingerprint: 'f',
      events: 1,
      virtualMs: 1,
      probes: [],
      coverage: [],
      faults: [],
    }),
    async finish() {
      const { json = '', findings = '' } = flags();
      ended.push(`finish, written: ${existsSync(json) && existsSync(findings)}`);
    },
    async close() {
      ended.push('close');
    },
  };
}

test('should finish when summary and findings are written', async () => {
  const ended: string[] = [];
  const printed: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
  await chaos('stemedb', flags(), async () => ({
    ...executor(ended),
    async finish() {
      await executor(ended).finish?.();
      expect(printed.join('')).toContain('2 seeds: 2 held');
    },
  }));
  expect(ended).toEqual(['finish, written: true', 'close']);
});

test('should not finish what could not be written', async () => {
  const ended: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation(() => {
    throw new Error('nobody reads it');
  });
  await expect(chaos('stemedb', flags(), async () => executor(ended))).rejects.toThrow('nobody reads it');
  expect(ended).toEqual(['close']);
});
