import { expect, test } from 'vitest';
import { streamBusConfigSchema } from '../../../src/engines/streambus/config.ts';
import { startStreamBus } from '../../../src/engines/streambus/engine.ts';
import { heapBudget, memoryBudget, memoryWarning, readMemory } from '../../../src/engines/streambus/memory.ts';
import { Brokers } from './broker/brokers.ts';

const MB = 2 ** 20;
const GB = 2 ** 30;

function withMemory(configured: string | undefined) {
  return streamBusConfigSchema.parse({ server: configured === undefined ? {} : { max_memory: configured } });
}

test.each([
  ['half of what the process may use', undefined, 2 * GB, 1 * GB],
  ['at most 8 GB', undefined, 64 * GB, 8 * GB],
  ['at least 192 MB', undefined, 100 * MB, 192 * MB],
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

test.each([undefined, 100, 256, 300, 384, 512, 1_024])(
  'an idle broker is not told of as one that needs too much, on a machine of %s MB',
  (mb) => {
    const host = { memory: { usedBytes: () => 128 * MB }, ...(mb === undefined ? {} : { memoryBytes: mb * MB }) };
    const { usedBytes, limitBytes } = readMemory(host, withMemory(undefined), 0);
    // As the alert has it.
    expect(usedBytes / limitBytes).toBeLessThan(0.9);
  },
);

test.each([
  ['64MB', 16 * GB, /^server\.max_memory: expected at least 192MB, got 64 MB: .*MemoryHigh will fire for ever$/],
  ['1GB', 512 * MB, /^the process may use 512 MB, expected at least 1024 MB/],
  [undefined, 150 * MB, /^the process may use 150 MB, expected at least 192 MB/],
  [undefined, 384 * MB, undefined],
  ['192MB', undefined, undefined],
])(
  'with max_memory %s on a machine of %s bytes an operator hears of too little memory: %s',
  (configured, memoryBytes, expected) => {
    const warning = memoryWarning(memoryBytes === undefined ? {} : { memoryBytes }, withMemory(configured));
    if (expected === undefined) expect(warning).toBeUndefined();
    else expect(warning).toMatch(expected);
  },
);

test('a broker that starts with too little memory says so', async () => {
  const brokers = new Brokers({ seed: 1, brokers: 1 });
  const config = streamBusConfigSchema.parse({
    server: { max_memory: '64MB', broker_id: 1 },
    storage: { data_dir: '/data' },
  });
  brokers.machine(1).start('streambus', async (host) => {
    await startStreamBus(host, config);
  });
  await brokers.run(1_000);
  const line = brokers.world.logs.lines.find(({ message }) => message === 'too little memory');
  expect(line?.fields).toMatchObject({ why: expect.stringContaining('server.max_memory') });
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
