import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { dumpTasks, groupTasks } from '../../../../src/engines/streambus/admin/goroutines.ts';
import { encodeProfile, sampleProfile } from '../../../../src/engines/streambus/admin/pprofFormat.ts';
import { createRealProfiler } from '../../../../src/real/profiler.ts';

function spinForProfile(untilMs: number): number {
  let sum = 0;
  while (Date.now() < untilMs) sum += Math.sqrt(sum + 1);
  return sum;
}

/** Whether Go's tool is on this machine. */
function hasGo(): boolean {
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** The strings of a profile: field 6 of the outermost message. */
function stringsOf(bytes: Uint8Array): string[] {
  const found: string[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    if ((tag & 7) === 0) varint();
    else {
      expect(tag & 7).toBe(2);
      const length = varint();
      if (tag >> 3 === 6) found.push(new TextDecoder().decode(bytes.subarray(at, at + length)));
      at += length;
    }
  }
  expect(at).toBe(bytes.length);
  return found;
}

test('a CPU profile in the form of pprof names the function that burns', async () => {
  const profiler = createRealProfiler();
  const taking = profiler.cpu(300, new AbortController().signal);
  setTimeout(() => spinForProfile(Date.now() + 250), 20);
  const profile = sampleProfile.cpu(await taking, 1_700_000_000_000);
  const hottest = [...profile.stacks].sort((left, right) => (right.values[1] ?? 0) - (left.values[1] ?? 0));
  expect(hottest.slice(0, 3).flatMap(({ frames }) => frames.map(({ functionName }) => functionName))).toContain(
    'spinForProfile',
  );
  const names = profile.stacks.flatMap(({ frames }) => frames.map(({ functionName }) => functionName));
  expect(names).not.toContain('(idle)');
  const encoded = encodeProfile(profile);
  const strings = stringsOf(encoded);
  expect(strings[0]).toBe('');
  expect(strings).toEqual(expect.arrayContaining(['samples', 'cpu', 'nanoseconds', 'spinForProfile']));
  const zipped = await profiler.gzip(encoded);
  expect(new Uint8Array(gunzipSync(zipped))).toEqual(encoded);
  if (!hasGo()) return;
  const directory = mkdtempSync(join(tmpdir(), 'pprof-'));
  try {
    writeFileSync(join(directory, 'cpu.pb.gz'), zipped);
    const top = execFileSync('go', ['tool', 'pprof', '-top', join(directory, 'cpu.pb.gz')], { encoding: 'utf8' });
    expect(top).toContain('spinForProfile');
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a heap profile has what is alive', async () => {
  const profiler = createRealProfiler();
  await profiler.heap();
  const kept: number[][] = [];
  for (let n = 0; n < 2_000; n++) kept.push(Array.from({ length: 200 }, (_, at) => at + n));
  const profile = sampleProfile.heap(await profiler.heap(), 0);
  expect(kept).toHaveLength(2_000);
  expect(profile.stacks.reduce((sum, { values }) => sum + (values[1] ?? 0), 0)).toBeGreaterThan(1_000_000);
  expect(stringsOf(encodeProfile(profile))).toEqual(expect.arrayContaining(['inuse_space', 'bytes']));
});

test('tasks are dumped as Go dumps goroutines', () => {
  const tasks = [
    {
      state: 'await journal.append',
      forMs: 12.4,
      what: 'produce orders/3 client=app-1',
      where: 'log/append.ts',
      by: 'connection 7',
    },
    {
      state: 'await journal.append',
      forMs: 130_000,
      what: 'produce orders/4',
      where: 'log/append.ts',
      by: 'connection 8',
    },
    { state: 'idle', forMs: undefined, what: 'group metadata', where: 'broker/groups.ts', by: 'start' },
  ];
  const text = dumpTasks(tasks);
  expect(text.split('\n').filter((line) => line.startsWith('goroutine '))).toEqual([
    'goroutine 1 [await journal.append, 12 ms]:',
    'goroutine 2 [await journal.append, 2 minutes]:',
    'goroutine 3 [idle]:',
  ]);
  expect(groupTasks(tasks)).toBe(
    'goroutine profile: total 3\n2 @ log/append.ts [await journal.append]\n1 @ broker/groups.ts [idle]\n',
  );
});
