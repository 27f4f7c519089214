import { describe, expect, test } from 'vitest';
import type { Operation } from '../../../src/checkers/history.ts';
import type { ClientInput, ClientOutput } from '../../../src/checkers/stemedb/evidence.ts';
import { bent, nth, violationsOf } from './bentStory.ts';
import { claim, type Story } from './story.ts';

describe('C6 ack-after-sync', () => {
  test('should see an ack before the end of its write', () => {
    const story = bent(({ disk, order }) => {
      nth(disk, 2).endedOrder = order();
    });
    expect(violationsOf('C6', story)).toEqual([
      expect.stringMatching(/LSN 3 was acknowledged before its durable write/),
    ]);
  });
  test('should see an ack of a write that no sync followed', () => {
    const story = bent(({ disk }) => {
      nth(disk, 0).durable = false;
    });
    expect(violationsOf('C6', story)).toHaveLength(1);
  });
  test('should see an ack of bytes that never went to the disk', () => {
    const story = bent(({ disk }) => {
      disk.splice(1, 1);
    });
    expect(violationsOf('C6', story)).toEqual([expect.stringMatching(/no write of its bytes was ever begun/)]);
  });
  test('should see a file whose name no directory sync had made durable', () => {
    const story = bent(({ disk }) => {
      const base = { incarnation: 1, beganAtMs: 0, endedAtMs: 0, beganOrder: -4, endedOrder: -3 };
      disk.unshift({ ...base, operation: 'rename', path: '/var/lib/stemedb/wal/spare.wal', to: nth(disk, 0).path });
    });
    expect(violationsOf('C6', story)).toHaveLength(3);
    const synced = bent(({ disk }) => {
      const base = { incarnation: 1, beganAtMs: 0, endedAtMs: 0 };
      disk.unshift(
        {
          ...base,
          beganOrder: -4,
          endedOrder: -3,
          operation: 'rename',
          path: '/var/lib/stemedb/wal/spare.wal',
          to: nth(disk, 0).path,
        },
        { ...base, beganOrder: -2, endedOrder: -1, operation: 'syncDirectory', path: '/var/lib/stemedb/wal' },
      );
    });
    expect(violationsOf('C6', synced)).toEqual([]);
  });
});

test('C7 should see an ack and a second sync after a failed write', () => {
  const story = bent(({ disk, requests }) => {
    nth(disk, 0).error = 'EIO';
    requests.splice(0, 1);
  });
  expect(violationsOf('C7', story)).toEqual([
    expect.stringMatching(/LSN 2 was acknowledged after write of .* had failed with EIO/),
    expect.stringMatching(/was synced again/),
  ]);
  expect(
    violationsOf(
      'C7',
      bent(({ disk }) => void Object.assign(nth(disk, 0), { error: 'ENOSPC', failedOperation: 'write' })),
    ),
  ).toEqual([]);
  // A thin volume finds out at the sync: what that leaves is unknown, whatever the code.
  expect(
    violationsOf(
      'C7',
      bent(({ disk }) => void Object.assign(nth(disk, 0), { error: 'ENOSPC', failedOperation: 'sync' })),
    ),
  ).toEqual([
    expect.stringMatching(/LSN 1 was acknowledged after/),
    expect.stringMatching(/LSN 2 was acknowledged after/),
    expect.stringMatching(/was synced again/),
  ]);
});

test('C7 should see an ack behind the name of a segment that could not be made durable', () => {
  const directory = '/var/lib/stemedb/wal';
  /** A rotation between the two writes of the first life, whose last step fails. */
  const rotated = (more: (story: Story) => void) =>
    violationsOf(
      'C7',
      bent((story) => {
        const [first, second] = [nth(story.disk, 0), nth(story.disk, 1)];
        const call = (operation: string, path: string, at: number) => ({
          ...{ incarnation: 1, operation, path, beganAtMs: 15, endedAtMs: 15 },
          ...{ beganOrder: first.endedOrder + at, endedOrder: first.endedOrder + at + 0.1 },
        });
        const to = `${directory}/segment-00000002.wal`;
        story.disk.splice(1, 0, { ...call('rename', `${directory}/spare.wal`, 0.2), to });
        story.disk.splice(2, 0, { ...call('syncDirectory', directory, 0.4), error: 'EIO' });
        expect(second.beganOrder).toBeGreaterThan(first.endedOrder);
        more(story);
      }),
    );
  expect(rotated(() => {})).toEqual([
    expect.stringMatching(/LSN 2 was acknowledged after syncDirectory of .* had failed with EIO; only up to 1/),
  ]);
  // A sync of the directory that names no segment binds nothing: a file was removed.
  expect(rotated(({ disk }) => void disk.splice(1, 1))).toEqual([]);
});

describe('C8 no-bad-byte', () => {
  const reading = (found: NonNullable<ClientOutput['found']>): Operation<ClientInput, ClientOutput> => ({
    id: 9,
    process: 5,
    f: 'get',
    input: { f: 'get', id: claim(1).id },
    invokedAt: 44,
    invokedOrder: 90,
    outcome: 'ok',
    completedAt: 45,
    completedOrder: 91,
    output: { found },
  });
  test('should see content that nobody submitted, and a wrong LSN', () => {
    const wrong = bent(
      ({ operations }) => void operations.push(reading({ lsn: 1, content: { ...claim(1).content, confidence: 0.4 } })),
    );
    expect(violationsOf('C8', wrong)).toEqual([expect.stringMatching(/gave other content/)]);
    const misplaced = bent(({ operations }) => void operations.push(reading({ lsn: 2, content: claim(1).content })));
    expect(violationsOf('C8', misplaced)).toEqual([expect.stringMatching(/named LSN 2, the log has it as 1/)]);
    const right = bent(({ operations }) => void operations.push(reading({ lsn: 1, content: claim(1).content })));
    expect(violationsOf('C8', right)).toEqual([]);
  });
  test('should see bytes that the format does not guard', () => {
    const story = bent(({ disk }) => void Object.assign(nth(disk, 0), { malformed: 'record LSN 1: checksum differs' }));
    expect(violationsOf('C8', story)).toEqual([expect.stringMatching(/its format does not cover/)]);
  });
});
