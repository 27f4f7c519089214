import { expect, test } from 'vitest';
import { streamBusConfigSchema } from '../../../src/engines/streambus/config.ts';
import { heapBudget, memoryBudget, readMemory } from '../../../src/engines/streambus/memory.ts';

const MB = 2 ** 20;
const GB = 2 ** 30;

function withMemory(configured: string | undefined) {
  return streamBusConfigSchema.parse({ server: configured === undefined ? {} : { max_memory: configured } });
}

test.each([
  ['half of what the process may use', undefined, 2 * GB, 1 * GB],
  ['at most 8 GB', undefined, 64 * GB, 8 * GB],
  ['at least 64 MB', undefined, 100 * MB, 64 * MB],
  ['1 GB where the host does not know', undefined, undefined, 1 * GB],
  ['what the configuration says, however little there is', '16GB', 2 * GB, 16 * GB],
])('the memory of a broker is %s', (_, configured, memoryBytes, expected) => {
  const config = withMemory(configured);
  expect(memoryBudget(memoryBytes === undefined ? {} : { memoryBytes }, config)).toBe(expected);
});

test.each([
  ['60 % of it', '1GB', Math.floor(0.6 * GB)],
  ['never so little that a broker has no room for garbage', '64MB', 64 * MB],
])('the heap of a broker is %s', (_, configured, expected) => {
  expect(heapBudget({}, withMemory(configured))).toBe(expected);
});

test('a broker uses what its host says of the process, and without such a host what it counts', () => {
  const config = withMemory('512MB');
  const usedBytes = () => 300 * MB;
  expect(readMemory({ memory: { usedBytes, heapLimitBytes: 200 * MB } }, config, 5)).toEqual({
    usedBytes: 300 * MB,
    countedBytes: 5,
    limitBytes: 512 * MB,
    heapLimitBytes: 200 * MB,
  });
  expect(readMemory({ memory: { usedBytes } }, config, 5)).not.toHaveProperty('heapLimitBytes');
  expect(readMemory({}, config, 5)).toMatchObject({ usedBytes: 5, countedBytes: 5 });
});
