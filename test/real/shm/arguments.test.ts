import { closeSync, openSync } from 'node:fs';
import { expect, test } from 'vitest';
import { describeMapped } from './needsNative.ts';

/** What no export has any use for. */
const garbage: readonly unknown[] = [
  undefined,
  null,
  true,
  '',
  'x\0y',
  'x'.repeat(100_000),
  -1,
  0.5,
  NaN,
  Infinity,
  2 ** 53,
  -(2 ** 63),
  99n,
  Symbol('s'),
  {},
  [],
  [-1],
  [1e9],
  ['0'],
  [undefined],
  () => 0,
  new Uint8Array(4),
  new Int32Array(0),
  new Int32Array(4),
  new Int32Array(new SharedArrayBuffer(16)),
  new Float64Array(2),
  new DataView(new ArrayBuffer(8)),
  Object.create(null),
  new Proxy([1], {}),
];

describeMapped('arguments of the calls of shared memory', (addon) => {
  const exports = Object.entries(addon).filter(([, value]) => typeof value === 'function');

  test('there is what the type says', () => {
    expect(exports.length).toBeGreaterThanOrEqual(20);
  });

  test.for(exports.filter(([name]) => !name.startsWith('uring')).map(([name]) => name))(
    '%s: garbage is an error with a code, or changes nothing',
    (name) => {
      // Called through the object, as garbage of any shape: what the type forbids is the matter of this test.
      const call = Reflect.get(addon, name) as (...words: unknown[]) => unknown;
      const affinity = addon.getAffinity();
      const slack = addon.getTimerSlack();
      let refused = 0;
      const attempt = (...words: unknown[]): void => {
        try {
          const result = call(...words);
          if (name === 'createMemfd' && typeof result === 'number') closeSync(result);
        } catch (error) {
          refused += 1;
          expect(error).toBeInstanceOf(Error);
          expect((error as Error & { code?: unknown }).code).toMatch(/^(E[A-Z0-9]+|ERR_[A-Z_]+)$/);
          expect((error as Error).message).not.toBe('');
        }
      };
      attempt();
      for (const first of garbage) {
        attempt(first);
        for (const second of garbage) {
          attempt(first, second, 0, 0, false);
          attempt(first, 0, second, 0, false);
          // Never a descriptor that is open: 1 is a pipe of the test runner.
          attempt(2 ** 30, second, first, first, second);
        }
      }
      addon.setAffinity(affinity);
      addon.setTimerSlack(slack);
      if (call.length > 0 || refused > 0) expect(refused).toBeGreaterThan(garbage.length);
    },
  );

  test('words that are not of a mapping are never waited on', () => {
    const words = new Int32Array(new SharedArrayBuffer(64));
    for (const call of [addon.futexWait, addon.futexWaitAsync]) {
      expect(() => call(words, 0, 0, 10)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    }
    expect(() => addon.futexWake(words, 0, 1)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });

  test('a descriptor that is closed, a directory, and a file of a disk are refused with their names', () => {
    expect(() => addon.mapMemory(2 ** 30, 4096, false, -1, false)).toThrow(expect.objectContaining({ code: 'EBADF' }));
    expect(() => addon.lockByte(2 ** 30, 0)).toThrow(expect.objectContaining({ code: 'EBADF' }));
    for (const path of [import.meta.dirname, import.meta.filename, '/dev/null']) {
      const fd = openSync(path, 'r');
      expect(() => addon.mapMemory(fd, 4096, false, -1, false)).toThrow(
        expect.objectContaining({ code: 'ENOTMEMORY' }),
      );
      closeSync(fd);
    }
  });
});
