import { expect, test } from 'vitest';
import { endingError, StreamBusError } from '../../../src/engines/streambus/errors.ts';
import { DiskError } from '../../../src/host/disk.ts';
import { JournalError } from '../../../src/storage/journal/index.ts';

const refused = new DiskError('EIO', 'sync', '/data/x.seg');

test.each([
  ['the journal', new JournalError('JournalFailed', 'a write failed', { cause: refused }), 'JOURNAL_FAILED'],
  ['another file', new Error('a segment could not be synced', { cause: refused }), 'DISK_FAILED'],
  ['the disk itself', refused, 'DISK_FAILED'],
  ['an assertion', new Error('entry 7 was applied already'), 'DEFECT'],
  ['what is no error', 'odd', 'DEFECT'],
])('a broker that ends by %s says so, and its process ends with 70', (_, error, code) => {
  expect(endingError(error)).toMatchObject({ code, exitCode: 70 });
  const told = error instanceof Error ? error.message : error;
  expect(endingError(error).message).toContain(told);
});

test('the file that a disk refused is named, also where another error stands before it', () => {
  expect(endingError(new Error('a segment could not be synced', { cause: refused })).message).toContain('/data/x.seg');
});

test('an ending that has a name keeps it', () => {
  const named = new StreamBusError('ROLLED_BACK_DISK', 'older');
  expect(endingError(named)).toBe(named);
});
