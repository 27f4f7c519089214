import { expect, test } from 'vitest';
import { streamBusConfigSchema } from '../../../src/engines/streambus/config.ts';
import { memoryBudget } from '../../../src/engines/streambus/memory.ts';

const MB = 2 ** 20;
const GB = 2 ** 30;

test.each([
  ['half of what the process may use', undefined, 2 * GB, 1 * GB],
  ['at most 8 GB', undefined, 64 * GB, 8 * GB],
  ['at least 64 MB', undefined, 100 * MB, 64 * MB],
  ['1 GB where the host does not know', undefined, undefined, 1 * GB],
  ['what the configuration says, however little there is', '16GB', 2 * GB, 16 * GB],
])('the memory of a broker is %s', (_, configured, memoryBytes, expected) => {
  const config = streamBusConfigSchema.parse({ server: configured === undefined ? {} : { max_memory: configured } });
  expect(memoryBudget(memoryBytes === undefined ? {} : { memoryBytes }, config)).toBe(expected);
});
