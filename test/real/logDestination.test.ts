import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createLogDestination } from '../../src/real/logDestination.ts';

test('lines are written in order, and flush waits for them', async () => {
  const path = join(tmpdir(), `hotfire-log-${process.pid}`);
  const fd = openSync(path, 'w');
  try {
    const logs = createLogDestination(fd);
    for (let n = 0; n < 500; n++) logs.write(`${n}\n`);
    await logs.flush(5_000);
    expect(readFileSync(path, 'utf8')).toBe(Array.from({ length: 500 }, (_, n) => `${n}\n`).join(''));
    expect(logs.dropped).toBe(0);
  } finally {
    closeSync(fd);
    rmSync(path);
  }
});

test('a device that takes none: lines are dropped and counted, and nothing is thrown', async () => {
  const fd = openSync('/dev/full', 'w');
  try {
    const logs = createLogDestination(fd);
    for (let n = 0; n < 3; n++) {
      logs.write('a\n');
      logs.write('b\n');
      await logs.flush(5_000);
    }
    expect(logs.dropped).toBe(6);
  } finally {
    closeSync(fd);
  }
});

test('what waits for a slow reader is bounded', async () => {
  const fd = openSync('/dev/null', 'w');
  try {
    const logs = createLogDestination(fd);
    const line = 'x'.repeat(2 ** 16);
    // No write can end before this loop does.
    for (let n = 0; n < 40; n++) logs.write(line);
    expect(logs.dropped).toBe(40 - 1 - 16);
    await logs.flush(5_000);
    expect(logs.dropped).toBe(40 - 1 - 16);
  } finally {
    closeSync(fd);
  }
});
