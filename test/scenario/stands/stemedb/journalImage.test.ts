import { expect, test } from 'vitest';
import { readBatchHeader } from '../../../../src/scenario/stands/stemedb/journalFormat.ts';
import type { FileSeen } from '../../../../src/scenario/stands/stemedb/journalImage.ts';
import { readJournalImage } from '../../../../src/scenario/stands/stemedb/journalImage.ts';
import { openJournal } from '../../../../src/storage/journal/index.ts';
import { journalWorld, payloadOf, readAll, smallJournal, withJournal } from '../../../support/journalWorld.ts';

const moment = { atMs: 0, order: 0 };

/** A log of three segments of 64 KiB, closed cleanly, and its files. */
async function smallLog() {
  const { machine, run } = journalWorld({ seed: 5 });
  const records = await run((host) =>
    withJournal(host, async (journal) => {
      for (let n = 0; n < 40; n++) await journal.append([{ type: 1, payload: payloadOf(n) }]).durable();
      return readAll(journal);
    }),
  );
  const at = (prefix: string, names: RegExp): FileSeen[] =>
    [...machine.devices.files()]
      .filter(([path]) => path.startsWith(prefix) && names.test(path))
      .map(([path, { file }]) => ({ name: path.slice(path.lastIndexOf('/') + 1), bytes: file.peek() }));
  const [ring] = at('/other/witness/', /\.ring$/);
  return { records, files: at('/data/wal/', /segment-\d+\.wal$/), witness: ring?.bytes };
}

test('should read what the journal reads, and find the witness at the end of it', async () => {
  const { records, files, witness } = await smallLog();
  const image = readJournalImage(files, witness, moment);
  expect(files.length).toBeGreaterThan(1);
  expect(image.records.map((record) => record.lsn)).toEqual(records.map((record) => record.lsn));
  expect(image.invalid).toBeUndefined();
  expect(image.witness).toBe(records.at(-1)?.lsn);
  expect(image.floor).toBe(records.at(-1)?.lsn);
});

test('should end at the first flipped byte of a batch, and know by what follows that more was acknowledged', async () => {
  const { files, witness } = await smallLog();
  const whole = readJournalImage(files, witness, moment).records.length;
  const [first, ...rest] = files;
  if (first === undefined) throw new Error('a log has a segment');
  for (const at of [4096, 4096 + 60, 4096 + 100, 4 * 4096 + 20]) {
    const bytes = first.bytes.slice();
    bytes[at] = (bytes[at] ?? 0) ^ 0x10;
    const image = readJournalImage([{ ...first, bytes }, ...rest], undefined, moment);
    expect(image.records.length, `byte ${at}`).toBeLessThan(whole);
    expect(image.invalid?.segment).toBe(first.name);
    expect(image.floor).toBeGreaterThan(image.records.length);
  }
});

test('should prove by a successor alone what the segment before it lost', async () => {
  const { files } = await smallLog();
  const [first, second] = files;
  if (first === undefined || second === undefined) throw new Error('the log has two segments');
  const emptied = first.bytes.slice();
  emptied.fill(0, 4096);
  const header = second.bytes.slice();
  header.fill(0, 4096);
  const image = readJournalImage(
    [
      { ...first, bytes: emptied },
      { ...second, bytes: header },
    ],
    undefined,
    moment,
  );
  expect(image.records).toEqual([]);
  expect(image.floor).toBeGreaterThan(0);
});

test('should go on behind a seal that was lost, and behind one that was made again', async () => {
  const { machine, run } = journalWorld({ seed: 6 });
  await run(async (host) => {
    const { journal } = await openJournal(host, smallJournal); // never closed: the process dies
    for (let n = 0; n < 40; n++) await journal.append([{ type: 1, payload: payloadOf(n) }]).durable();
  });
  const segments = () =>
    [...machine.devices.files()]
      .filter(([path]) => /segment-\d+\.wal$/.test(path))
      .map(([path, { file }]) => ({ name: path.slice(path.lastIndexOf('/') + 1), bytes: file.peek(), file }));
  const [first] = segments();
  if (first === undefined || segments().length < 3) throw new Error('the log has several segments');
  let seal = first.bytes.length - 4096;
  while (readBatchHeader(first.bytes, seal)?.seal !== true) seal -= 4096;
  first.file.write(seal, new Uint8Array(4096));
  const lost = readJournalImage(segments(), undefined, moment);
  expect(lost.records).toHaveLength(40);

  await run((host) => withJournal(host, async () => undefined));
  const again = segments()[0]?.bytes ?? new Uint8Array();
  expect(readBatchHeader(again, seal)).toMatchObject({ seal: true, remade: true });
  const image = readJournalImage(segments(), undefined, moment);
  expect(image.records).toHaveLength(40);
  expect(image.invalid).toBeUndefined();
});

test('should see nothing in an empty directory', () => {
  expect(readJournalImage([], undefined, moment)).toMatchObject({ records: [], floor: 0, witness: 0 });
});
