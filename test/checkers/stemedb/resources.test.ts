import { describe, expect, it } from 'vitest';
import type { FaultWindow, OpenFile, StateSample } from '../../../src/checkers/stemedb/evidence.ts';
import { resources } from '../../../src/checkers/stemedb/resources.ts';
import { goodStory, type Story } from './story.ts';

const wal = '/var/lib/stemedb/wal';
const db = '/var/lib/stemedb/db';

function file(path: string, more: Partial<OpenFile> = {}): OpenFile {
  return { path, isReader: false, openedAtMs: 30, ...more };
}

/** What a store that serves has open. */
const usual: readonly OpenFile[] = [
  file(`${wal}/LOCK`),
  file(`${db}/LOCK`),
  file(`${db}/witness/stemedb.ring`),
  file(`${wal}/segment-00000002.wal`),
  file(`${wal}/segment-00000002.wal`, { isReader: true }),
  file(`${wal}/segment-00000001.wal`, { isReader: true }),
];

/** The good run, looked at once more when it has been idle for five seconds. */
function lookedAt(fields: Partial<StateSample>, bend: (story: Story) => void = () => {}) {
  const story = goodStory();
  const base = { atMs: 5_040, order: story.order(), node: 'stemedb-1', incarnation: 2, walState: 'open' };
  story.samples.push({ ...base, pendingBytes: 0, openFiles: usual, activities: [], ...fields });
  bend(story);
  const { violations, detail } = resources.run(story.evidence);
  return { seen: violations.map(({ message }) => message), detail };
}

const fault = (name: string): FaultWindow => ({ name, startMs: 4_000, endMs: 6_000, parameters: {} });

describe('C23 resources', () => {
  it('should hold of a store that has open what it serves with and nothing pending, and say what it looked at', () => {
    expect(lookedAt({})).toEqual({
      seen: [],
      detail: '1 lists of open files, 1 moments with nothing under way',
    });
  });

  it('should see a file that nobody uses any more', () => {
    const part = file(`${db}/index/part-1-9.idx`, { openedAtMs: 40 });
    expect(lookedAt({ openFiles: [...usual, part] }).seen).toEqual([
      expect.stringMatching(/part-1-9\.idx was open since 40\.0 ms, though nothing is done with it, in incarnation 2/),
    ]);
    expect(lookedAt({ openFiles: [...usual, part], activities: ['snapshotting'] }).seen).toEqual([]);
    expect(lookedAt({ openFiles: [...usual, part], activities: ['making-spare'] }).seen).toHaveLength(1);
  });

  it('should see the spare open when none is being made', () => {
    const openFiles = [...usual, file(`${wal}/spare.wal`)];
    expect(lookedAt({ openFiles, activities: ['making-spare'] }).seen).toEqual([]);
    expect(lookedAt({ openFiles }).seen).toEqual([expect.stringContaining('spare.wal was open since')]);
  });

  it('should see a segment that is still open for writing behind the present one, but while a rotation lasts', () => {
    const openFiles = [...usual, file(`${wal}/segment-00000001.wal`)];
    expect(lookedAt({ openFiles }).seen).toEqual([
      expect.stringMatching(/2 segments open for writing were open, 1 can be/),
    ]);
    expect(lookedAt({ openFiles, activities: ['rotating'] }).seen).toEqual([]);
  });

  it('should see readers that do not share a file, unless a slow disk holds a scan up or it has just begun', () => {
    const twice = (openedAtMs: number) => [
      ...usual,
      file(`${wal}/segment-00000001.wal`, { isReader: true, openedAtMs }),
    ];
    expect(lookedAt({ openFiles: twice(31) }).seen).toEqual([
      expect.stringMatching(/segment-00000001\.wal was open for reading 2 times/),
    ]);
    expect(lookedAt({ openFiles: twice(5_030) }).seen).toEqual([]);
    const slowed = lookedAt({ openFiles: twice(31) }, ({ evidence }) => {
      evidence.faults = [fault('disk.stall')];
    });
    expect(slowed.seen).toEqual([]);
  });

  it('should tell of one leak once, however often it is seen', () => {
    const openFiles = [...usual, file(`${db}/index/part-1-9.idx`)];
    const { seen } = lookedAt({ openFiles }, ({ samples, order }) => {
      const last = samples.at(-1);
      if (last !== undefined) samples.push({ ...last, atMs: 5_540, order: order() });
    });
    expect(seen).toHaveLength(1);
  });

  it('should see bytes that stay pending with nothing under way', () => {
    expect(lookedAt({ pendingBytes: 336 }).seen).toEqual([
      '336 bytes were pending with no write under way and none asked for, in incarnation 2 (open)',
    ]);
    expect(lookedAt({ pendingBytes: 336, walState: 'failed' }).seen).toHaveLength(1);
  });

  it('should not judge what is pending while a write is at the disk, a request waits, or the process is held up', () => {
    const pending = { pendingBytes: 336 };
    const atDisk = lookedAt(pending, ({ disk }) => {
      const last = disk.at(-1);
      if (last !== undefined) disk.push({ ...last, beganAtMs: 3_000, endedAtMs: Number.POSITIVE_INFINITY });
    });
    const waiting = lookedAt(pending, ({ requests }) => {
      const last = requests.at(-1);
      const unanswered = { answeredAtMs: Number.POSITIVE_INFINITY, status: 0, acks: [] };
      if (last !== undefined) requests.push({ ...last, arrivedAtMs: 4_900, ...unanswered });
    });
    const paused = lookedAt(pending, ({ evidence }) => {
      evidence.faults = [fault('process.pause')];
    });
    expect([atDisk.seen, waiting.seen, paused.seen]).toEqual([[], [], []]);
  });

  it('should not judge what waits for the next segment, however long that is tried, but judge what it leaves behind', () => {
    const rotating = lookedAt({ pendingBytes: 336, activities: ['rotating', 'making-spare'] });
    expect(rotating).toEqual({ seen: [], detail: '1 lists of open files, 0 moments with nothing under way' });
    const after = lookedAt({ pendingBytes: 336, activities: ['rotating'] }, ({ samples, order }) => {
      const last = samples.at(-1);
      if (last !== undefined) samples.push({ ...last, activities: ['making-spare'], atMs: 5_540, order: order() });
    });
    expect(after.seen).toHaveLength(1);
  });

  it('should judge what is pending though writes are refused meanwhile', () => {
    const { seen } = lookedAt({ pendingBytes: 336 }, ({ requests }) => {
      const last = requests.at(-1);
      if (last === undefined) return;
      const refusal = { status: 503, acks: [], error: { code: 'READ_ONLY', outcome: 'not_applied' } };
      requests.push({ ...last, arrivedAtMs: 5_000, answeredAtMs: 5_000, ...refusal });
    });
    expect(seen).toHaveLength(1);
  });
});
