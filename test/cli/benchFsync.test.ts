import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exitOf } from '../../src/cli/exit.ts';
import { createProgram } from '../../src/cli/program.ts';
import { measureFsync, measureSequential, quantile } from '../../src/cli/stemedb/fsyncBench.ts';
import type { Disk } from '../../src/host/disk.ts';
import { createRealDisk } from '../../src/real/disk.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hotfire-bench-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Time that passes by one millisecond a look. */
function ticking(): () => number {
  let ms = 0;
  return () => ms++;
}

describe('bench-fsync', () => {
  it('should measure durable writes on a real disk and leave nothing behind', async () => {
    const result = await measureFsync(createRealDisk(), { directory, durationMs: 40, now: ticking(), tag: 't' });
    // Three looks at the clock a write, so three of the 40 ms each.
    expect(result.writes).toBe(13);
    expect(result).toMatchObject({ p50Ms: 1, p99Ms: 1, maxMs: 1 });
    expect(readdirSync(directory)).toEqual([]);
  });

  it('should measure sequential writes up to the given bytes', async () => {
    const result = await measureSequential(createRealDisk(), {
      directory,
      durationMs: 1000,
      now: ticking(),
      tag: 't',
      maxBytes: 3 * 2 ** 20 + 1,
    });
    expect(result.bytes).toBe(3 * 2 ** 20);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('should refuse a directory with a journal', async () => {
    writeFileSync(join(directory, 'segment-00000001.wal'), '');
    const run = measureFsync(createRealDisk(), { directory, durationMs: 1, now: ticking(), tag: 't' });
    await expect(run).rejects.toThrow('expected a directory without a journal, found segment-00000001.wal');
  });

  it('should never take the reserve', async () => {
    const real = createRealDisk();
    const nearlyFull: Disk = {
      ...real,
      usage: async () => ({ freeBytes: 150 * 2 ** 20, totalBytes: 2 ** 30, freeInodes: 1 }),
    };
    const run = measureFsync(nearlyFull, { directory, durationMs: 1, now: ticking(), tag: 't' });
    await expect(run).rejects.toThrow('expected 201326592 bytes free');
    expect(readdirSync(directory)).toEqual([]);
  });

  it('should remove the scratch file when a write fails', async () => {
    const real = createRealDisk();
    const failing: Disk = {
      ...real,
      open: async (path, options) => {
        const file = await real.open(path, options);
        return { ...file, write: () => Promise.reject(new Error('broken')) };
      },
    };
    const run = measureFsync(failing, { directory, durationMs: 10, now: ticking(), tag: 't' });
    await expect(run).rejects.toThrow('broken');
    expect(readdirSync(directory)).toEqual([]);
  });

  it('should end with 64 in one line for a journal, and for a baseline that is none before it measures', async () => {
    const run = async (...words: string[]) => {
      const program = await createProgram('stemedb');
      return program.parseAsync(['stemedb', 'bench-fsync', '--dir', directory, ...words], { from: 'user' }).then(
        () => undefined,
        (error: unknown) => exitOf(error),
      );
    };
    const baseline = join(directory, 'bad.json');
    writeFileSync(baseline, '{');
    expect(await run('--baseline', baseline)).toEqual({
      code: 64,
      text: `error: ${baseline}: expected the JSON of an earlier bench-fsync, got another; give another --baseline`,
    });
    const nowhere = join(directory, 'nowhere', 'b.json');
    expect(await run('--baseline', nowhere)).toMatchObject({ code: 64, text: expect.stringContaining(nowhere) });
    writeFileSync(join(directory, 'segment-00000001.wal'), '');
    expect(await run()).toMatchObject({ code: 64, text: expect.stringMatching(/^error: .*without a journal.*$/) });
  });

  it('should take quantiles by nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, index) => index + 1);
    expect([quantile(values, 0.5), quantile(values, 0.99), quantile(values, 1)]).toEqual([50, 99, 100]);
  });
});
