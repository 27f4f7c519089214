import { describe, expect, test } from 'vitest';
import { bent, nth, violationsOf } from './bentStory.ts';
import { claim, type Story } from './story.ts';

describe('C15 space', () => {
  const readOnly = (until: number): Story =>
    bent(({ samples, evidence }) => {
      const base = { ...nth(samples, 1), walState: 'read-only', freeBytes: 64 << 20, freeInodes: 50_000 };
      for (let atMs = 1000; atMs <= until; atMs += 500) samples.push({ ...base, atMs });
      evidence.endedAtMs = until;
    });
  test('should see a journal that stays read-only though there is room', () => {
    expect(violationsOf('C15', readOnly(4000))).toEqual([expect.stringMatching(/still read-only/)]);
    expect(violationsOf('C15', readOnly(2500))).toEqual([]);
  });
  test('should see ENOSPC within a batch unless the device was made to fail there', () => {
    const story = bent(({ disk }) => void Object.assign(nth(disk, 2), { error: 'ENOSPC' }));
    expect(violationsOf('C15', story)).toEqual([expect.stringMatching(/met ENOSPC/)]);
    story.evidence.faults = [{ name: 'disk.full', startMs: 0, endMs: 100, parameters: { at: 'write' } }];
    expect(violationsOf('C15', story)).toEqual([]);
  });
  test('should see a read that fails while the journal is read-only', () => {
    const story = readOnly(2000);
    story.requests.push({
      ...nth(story.requests, 0),
      method: 'POST',
      path: '/v1/query',
      ids: [],
      acks: [],
      status: 507,
      answeredAtMs: 1500,
    });
    expect(violationsOf('C15', story)).toEqual([expect.stringMatching(/was answered 507 while/)]);
  });
});

test('C16 should see a lone writer that waits longer than two writes', () => {
  const story = bent(
    ({ requests }) => void Object.assign(nth(requests, 0), { answeredAtMs: nth(requests, 0).answeredAtMs + 8 }),
  );
  expect(violationsOf('C16', story)).toEqual([expect.stringMatching(/a lone write \(LSN 1\) took 10.10 ms/)]);
});

test('C16 should let the first write after a crowd gather in vain, and no longer than any other', () => {
  const second = (storyOf: Story, lateMs: number) => {
    const request = nth(storyOf.requests, 1);
    request.answeredAtMs += lateMs;
  };
  const afterCrowd = (lateMs: number) =>
    bent((story) => {
      const first = nth(story.requests, 0);
      const other = { ...first, ids: ['other'], acks: [{ id: 'other', lsn: 0, status: 'created' as const }] };
      story.requests.unshift({ ...other, arrivedAtMs: first.arrivedAtMs - 1, answeredAtMs: first.arrivedAtMs - 0.5 });
      const write = nth(story.disk, 0);
      write.batches = write.batches?.map((batch) => ({ ...batch, firstLsn: 0, ids: ['other', ...batch.ids] })) ?? [];
      const late = nth(story.requests, 2);
      late.answeredAtMs += lateMs;
    });
  expect(
    violationsOf(
      'C16',
      bent((story) => second(story, 8)),
    ),
  ).toEqual([expect.stringMatching(/a lone write \(LSN 2\)/)]);
  expect(violationsOf('C16', afterCrowd(12))).toEqual([]);
  expect(violationsOf('C16', afterCrowd(13))).toEqual([expect.stringMatching(/a write \(LSN 2\) took 15.10 ms/)]);
});

test('C16 should not judge what waits for the name of a new segment, and judge what another directory keeps waiting', () => {
  const besides = (path: string) =>
    bent(({ requests, disk }) => {
      const request = nth(requests, 0);
      request.answeredAtMs += 8;
      const call = { ...nth(disk, 0), operation: 'syncDirectory', path, endedAtMs: request.answeredAtMs - 1 };
      delete call.batches;
      disk.unshift(call);
    });
  expect(violationsOf('C16', besides('/var/lib/stemedb/wal'))).toEqual([]);
  expect(violationsOf('C16', besides('/var/lib/stemedb/db'))).toHaveLength(1);
});

test('C17 should see pending and index bytes beyond their limits', () => {
  const story = bent(({ samples }) => {
    nth(samples, 0).pendingBytes = (1 << 20) + 1;
    nth(samples, 1).indexBytes = 2 << 20;
  });
  expect(violationsOf('C17', story)).toHaveLength(2);
});

test('C17 should hold a process to its own settings, not to those of a later one', () => {
  const story = bent(({ lives, samples }) => {
    const first = nth(lives, 0);
    first.settings = { ...first.settings, maxPendingBytes: 1000 };
    for (const sample of samples) sample.pendingBytes = 2000;
  });
  const ofFirst = story.samples.filter(({ incarnation }) => incarnation === 1);
  expect(ofFirst.length).toBeGreaterThan(0);
  expect(ofFirst.length).toBeLessThan(story.samples.length);
  expect(violationsOf('C17', story)).toHaveLength(ofFirst.length);
});

test('C18 should see a call, a start and a drain that do not end', () => {
  const story = bent(({ evidence, operations, lives }) => {
    evidence.endedAtMs = 100_000;
    nth(operations, 2).completedAt = Number.POSITIVE_INFINITY;
    nth(lives, 1).servedAtMs = Number.POSITIVE_INFINITY;
    nth(lives, 1).stopAskedAtMs = 50;
  });
  expect(violationsOf('C18', story)).toEqual([
    expect.stringMatching(/was not answered within its time-out/),
    expect.stringMatching(/was not ready/),
    expect.stringMatching(/had not drained/),
  ]);
});

test('C18b should see writers in halves, and pass writers that share a write', () => {
  const run = (perWrite: number): Story =>
    bent((story) => {
      const { disk, operations } = story;
      disk.length = 0;
      operations.length = 0;
      let next = 0;
      for (let n = 0; n < 420; n++) {
        const ids: string[] = [];
        for (let m = 0; m < perWrite; m++) {
          const submission = claim(1000 + next);
          const process = next++ % 8;
          ids.push(submission.id);
          // Eight writers; with four to a write each is answered every second write.
          operations.push({
            id: operations.length,
            process,
            f: 'assert',
            input: { f: 'write', submissions: [submission], atomic: false },
            invokedAt: perWrite === 8 ? n * 10 : Math.max(0, (n - 1) * 10),
            invokedOrder: 2 * next,
            outcome: 'ok',
            completedAt: n * 10 + 10,
            completedOrder: 2 * next + 1,
          });
        }
        disk.push({
          incarnation: 2,
          operation: 'write',
          path: '/var/lib/stemedb/wal/segment-00000001.wal',
          durable: true,
          batches: [
            { firstLsn: next - perWrite + 1, lastLsn: next, durableLsn: next - perWrite, ids, wallMs: n, seal: false },
          ],
          beganAtMs: n * 10,
          beganOrder: n * 2,
          endedAtMs: n * 10 + 10,
          endedOrder: n * 2 + 1,
        });
      }
    });
  expect(violationsOf('C18b', run(4))).toEqual([
    expect.stringMatching(/8 closed-loop writers had 4.0 records a write/),
  ]);
  expect(violationsOf('C18b', run(8))).toEqual([]);
});

test('C19 should see counters and quantiles that differ from what the disk saw', () => {
  const counted = bent(({ samples }) => void Object.assign(nth(samples, 0), { fsyncTotal: 1 }));
  expect(violationsOf('C19', counted)).toEqual(['fsync_total was 1, the disk saw 2']);
  const quantile = bent(({ samples }) => void Object.assign(nth(samples, 0), { fsyncQuantiles: { 0.5: 0.004 } }));
  expect(violationsOf('C19', quantile)).toEqual([expect.stringMatching(/quantile 0.5 .* was 4.000 ms/)]);
  const records = bent(({ samples, disk, order }) => {
    samples.push({ ...nth(samples, 1), order: order(), atMs: 60 });
    disk.push({ ...nth(disk, 2), beganAtMs: 70, beganOrder: order(), endedAtMs: 72, endedOrder: order() });
    samples.push({ ...nth(samples, 1), order: order(), atMs: 120, fsyncTotal: 2 });
  });
  expect(violationsOf('C19', records)).toEqual([
    expect.stringMatching(/records_total grew by 0 .*, the disk took 1 records/),
  ]);
});

describe('C20 rate', () => {
  const limited = (admittedEachMs: number, refuse: boolean): Story =>
    bent((story) => {
      const base = { ...nth(story.requests, 0), ids: [], acks: [], incarnation: 2 };
      story.requests.push({ ...base, path: '/v1/admin/rate-limit', rateLimit: 100, status: 200, answeredAtMs: 1000 });
      for (let atMs = 1001; atMs < 9000; atMs += admittedEachMs) {
        const { id } = claim(atMs);
        story.requests.push({ ...base, ids: [id], arrivedAtMs: atMs, acks: [{ id, lsn: atMs, status: 'created' }] });
      }
      if (refuse) {
        story.requests.push({
          ...base,
          ids: ['x'],
          arrivedAtMs: 9000,
          error: { code: 'RATE_LIMITED', outcome: 'not_applied' },
        });
      }
    });
  test('should see more than the limit and a burst', () => {
    expect(violationsOf('C20', limited(4, false))).toEqual([expect.stringMatching(/were admitted within one second/)]);
    expect(violationsOf('C20', limited(8, false))).toEqual([]);
  });
  test('should see a refusal far below the limit', () => {
    expect(violationsOf('C20', limited(50, true))).toEqual([
      expect.stringMatching(/a write was refused although only/),
    ]);
    expect(violationsOf('C20', limited(8, true))).toEqual([]);
  });
});
