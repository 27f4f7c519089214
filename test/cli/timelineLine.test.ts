import { expect, test } from 'vitest';
import { foldRepeats } from '../../src/cli/timelineLine.ts';
import type { TimelineEntry } from '../../src/scenario/runRecord.ts';

const slow = (atMs: number, durationMs: number): TimelineEntry => ({
  atMs,
  kind: 'log',
  text: 'warn slow fsync',
  node: 'stemedb-1',
  data: { durationMs, bytes: 4096 },
});

function told(entries: readonly TimelineEntry[]): string[] {
  const lines: string[] = [];
  const fold = foldRepeats((line) => lines.push(line.trim()));
  for (const entry of entries) fold.entry(entry);
  fold.flush();
  return lines;
}

test('should tell log lines that repeat as one, with their number and how long it took', () => {
  const pending: TimelineEntry = { atMs: 40_000, kind: 'alert-pending', text: 'WALFsyncSlow pending' };
  const entries = [slow(1000, 210.04), slow(11_000, 412), slow(21_500, 300), slow(32_000, 540.6), pending];
  expect(told([...entries, slow(50_000, 200), slow(60_000, 230)])).toEqual([
    '0:01.000  log       warn slow fsync  durationMs=210 bytes=4096',
    '0:11.000  log       warn slow fsync: 3 more lines until 0:32.000, 300 to 541 ms',
    '0:40.000  pending   WALFsyncSlow pending',
    '0:50.000  log       warn slow fsync  durationMs=200 bytes=4096',
    '1:00.000  log       warn slow fsync  durationMs=230 bytes=4096',
  ]);
});

test('should keep apart the lines of two nodes, and repeat what is no log', () => {
  const note: TimelineEntry = { atMs: 1, kind: 'note', text: 'done' };
  expect(told([slow(1, 200), { ...slow(2, 200), node: 'stemedb-2' }])).toHaveLength(2);
  expect(told([note, note])).toHaveLength(2);
});
