import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compiled, foreignDirectory, hasProgram, inScratch } from './support/compiler.ts';

const messages = Number(process.env.HOTFIRE_THREADS_MESSAGES ?? 20_000);
const source = join(foreignDirectory, 'threads.c');

/** Whether programs with ThreadSanitizer can be built and run here: not every kernel's address space suits it. */
async function hasThreadSanitizer(): Promise<boolean> {
  let works = false;
  if (!hasProgram('gcc', '--version')) return works;
  await inScratch((directory) => {
    try {
      const empty = join(directory, 'empty.c');
      writeFileSync(empty, 'int main(void) { return 0; }\n');
      works = hasProgram(compiled(empty, directory, '-fsanitize=thread'));
    } catch {
      // No libtsan.
    }
  });
  return works;
}

const works = await hasThreadSanitizer();

interface Outcome {
  readonly status: number | null;
  readonly out: string;
  readonly reports: number;
}

function run(program: string, lanes: 'blocking' | 'oldest', count: number): Outcome {
  const { status, stdout, stderr } = spawnSync(program, [lanes, String(count)], { encoding: 'utf8' });
  const reports = [...stderr.matchAll(/WARNING: ThreadSanitizer: data race/g)].length;
  return { status, out: stdout + (reports === 0 ? stderr : ''), reports };
}

describe.skipIf(!works)('threads in C over one mapping, under ThreadSanitizer (gcc)', () => {
  it('nothing races, nothing is torn, lost or twice, and the accounts are exact', () =>
    inScratch((directory) => {
      const program = compiled(source, directory, '-fsanitize=thread');
      const blocking = run(program, 'blocking', messages);
      expect(blocking).toEqual({
        status: 0,
        out: `sent ${2 * messages} received ${4 * messages} evicted 0\n`,
        reports: 0,
      });
      const oldest = run(program, 'oldest', messages);
      expect({ ...oldest, out: '' }).toEqual({ status: 0, out: '', reports: 0 });
      const [, received = '', evicted = ''] = /received (\d+) evicted (\d+)/.exec(oldest.out) ?? [];
      expect(Number(received) + Number(evicted)).toBe(4 * messages);
      expect(Number(evicted)).toBeGreaterThan(0);
    }));

  it.each(['SOURCE_TAIL', 'LANE_TAIL', 'CLAIM', 'RETURN_TAIL'])('a relaxed store of %s is reported', (order) =>
    inScratch((directory) => {
      const program = compiled(source, directory, '-fsanitize=thread', `-DORDER_${order}=__ATOMIC_RELAXED`);
      const seen = run(program, 'blocking', 20_000);
      expect(seen.reports).toBeGreaterThan(0);
      expect(seen.status).not.toBe(0);
    }),
  );

  it('plain words between the sequences of a cut are reported', () =>
    inScratch((directory) => {
      const program = compiled(source, directory, '-fsanitize=thread', '-DPLAIN_CUT');
      const seen = run(program, 'blocking', 20_000);
      expect(seen.reports).toBeGreaterThan(0);
      expect(seen.status).not.toBe(0);
    }));
});
