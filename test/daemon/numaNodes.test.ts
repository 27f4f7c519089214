import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { nodeOfCpu, nodesIn } from '../../src/daemon/numaNodes.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hotfire-nodes-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

it('knows the node of each processor, as sysfs tells', () => {
  writeFileSync(join(directory, 'online'), '0,2\n');
  for (const [node, cpus] of [
    ['0', '0-1,4'],
    ['2', '2-3'],
  ] as const) {
    mkdirSync(join(directory, `node${node}`));
    writeFileSync(join(directory, `node${node}`, 'cpulist'), `${cpus}\n`);
  }
  expect([...nodesIn(directory)]).toEqual([
    [0, 0],
    [1, 0],
    [4, 0],
    [2, 2],
    [3, 2],
  ]);
});

it('knows nothing where sysfs tells nothing', () => {
  expect(nodesIn(join(directory, 'none')).size).toBe(0);
});

it('knows of no processor that is not there', () => {
  expect(nodeOfCpu(availableParallelism() + 100_000)).toBeUndefined();
});
