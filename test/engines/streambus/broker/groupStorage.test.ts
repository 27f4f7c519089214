import { expect, test } from 'vitest';
import type { Entry } from '../../../../src/consensus/types.ts';
import { GroupStorage } from '../../../../src/engines/streambus/broker/groupStorage.ts';
import { heldBufferBytes } from '../../../support/bufferBytes.ts';

const KIB = 1024;
const confState = { voters: [1], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };

function storageOf(count: number, dataBytes: number): GroupStorage {
  const entries = Array.from(
    { length: count },
    (_, at): Entry => ({
      term: 1,
      index: at + 2,
      type: 'normal',
      data: new Uint8Array(dataBytes).fill(at),
    }),
  );
  const base = { index: 1, term: 1, confState };
  return new GroupStorage({ hardState: { term: 1, vote: 1, commit: 1 }, base, entries }, () => {
    throw new Error('nobody asks for a snapshot');
  });
}

test('entries that were let go hold no memory, though few have gone', async () => {
  const before = await heldBufferBytes();
  const storage = storageOf(200, 256 * KIB);
  const full = (await heldBufferBytes()) - before;
  expect(full).toBeGreaterThan(200 * 256 * KIB * 0.9);
  storage.shrink(10 * 257 * KIB, 201);
  expect(storage.windowBytes).toBeLessThanOrEqual(10 * 257 * KIB);
  expect((await heldBufferBytes()) - before).toBeLessThan(full / 10);
  expect(storage.entries(storage.firstIndex(), storage.lastIndex() + 1, 1e9).map(({ index }) => index)).toEqual(
    Array.from({ length: 10 }, (_, at) => 192 + at),
  );
});

test('what is held stays the same while entries go and come', () => {
  const storage = storageOf(3_000, 8);
  for (let upTo = 10; upTo < 3_000; upTo += 37) {
    storage.compact(upTo);
    expect([storage.firstIndex(), storage.lastIndex(), storage.term(upTo)]).toEqual([upTo + 1, 3_001, 1]);
    expect(storage.windowBytes).toBe((3_001 - upTo) * 32);
    expect(storage.entries(upTo + 1, upTo + 3, 1e9).map(({ index, data }) => [index, data[0]])).toEqual(
      [upTo + 1, upTo + 2].filter((index) => index <= 3_001).map((index) => [index, (index - 2) % 256]),
    );
  }
});
