import { expect, test } from 'vitest';
import { type SharedMemory, SharedMemoryError } from '../../src/host/sharedMemory.ts';

/** Two participants of one machine, their identities, and a clock's sleep. */
export interface SharedMemoryPair {
  readonly one: SharedMemory;
  readonly other: SharedMemory;
  readonly identities: readonly [number, number];
  readonly sleep: (ms: number) => Promise<void>;
}

export type WithSharedMemory = (body: (pair: SharedMemoryPair) => Promise<void>) => Promise<void>;

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof SharedMemoryError) return error.code;
    throw error;
  }
  return 'no error';
}

/** What every shared memory must do between participants of one machine. */
export function sharedMemoryConformance(withPair: WithSharedMemory): void {
  test('new memory is zero, and what one writes the other sees', () =>
    withPair(async ({ one, other }) => {
      const mine = await one.open('ring', 64, { mode: 'create' });
      expect([...mine.bytes]).toEqual(new Array(64).fill(0));
      const theirs = await other.open('ring', 64, { mode: 'open' });
      Atomics.store(mine.words, 3, 77);
      mine.bytes[63] = 9;
      expect([Atomics.load(theirs.words, 3), theirs.bytes[63]]).toEqual([77, 9]);
      expect([mine.words.length, mine.name]).toEqual([16, 'ring']);
    }));

  test('modes are kept: create-new meets EEXIST, open meets ENOENT, sizes are checked', () =>
    withPair(async ({ one, other }) => {
      expect(await codeOf(one.open('ring', 64, { mode: 'open' }))).toBe('ENOENT');
      await one.open('ring', 64, { mode: 'create-new' });
      expect(await codeOf(other.open('ring', 64, { mode: 'create-new' }))).toBe('EEXIST');
      expect(await codeOf(other.open('ring', 128, { mode: 'open' }))).toBe('EINVAL');
      expect(await codeOf(one.open('odd', 63, { mode: 'create' }))).toBe('EINVAL');
    }));

  test('a name that is removed is gone, those attached keep the memory', () =>
    withPair(async ({ one, other }) => {
      const mine = await one.open('ring', 64, { mode: 'create' });
      const theirs = await other.open('ring', 64, { mode: 'open' });
      await one.remove('ring');
      expect(await codeOf(one.remove('ring'))).toBe('ENOENT');
      Atomics.store(mine.words, 0, 5);
      expect(Atomics.load(theirs.words, 0)).toBe(5);
      const fresh = await one.open('ring', 64, { mode: 'create-new' });
      expect(Atomics.load(fresh.words, 0)).toBe(0);
    }));

  test('a waiter is woken, up to the count; a word that differs is told at once; time runs out', () =>
    withPair(async ({ one, other, sleep }) => {
      const mine = await one.open('ring', 64, { mode: 'create' });
      const theirs = await other.open('ring', 64, { mode: 'open' });
      expect(await theirs.waitAsync(0, 1, 1000)).toBe('changed');
      expect(await theirs.waitAsync(0, 0, 5)).toBe('timeout');
      expect(theirs.wait(0, 1, 0)).toBe('changed');
      const waits = [theirs.waitAsync(2, 0, 10_000), theirs.waitAsync(2, 0, 10_000)];
      await sleep(1);
      expect(mine.wake(3, 10)).toBe(0);
      expect(mine.wake(2, 1)).toBe(1);
      expect(await Promise.race(waits)).toBe('woken');
      expect(mine.wake(2, 10)).toBe(1);
      expect(await Promise.all(waits)).toEqual(['woken', 'woken']);
    }));

  test('a lock has one holder, is probed by identity, and ends with unlock or close', () =>
    withPair(async ({ one, other, identities }) => {
      const mine = await one.open('ring', 64, { mode: 'create' });
      const theirs = await other.open('ring', 64, { mode: 'open' });
      expect([mine.lock(7), mine.lock(7), theirs.lock(7)]).toEqual([true, true, false]);
      expect(theirs.probe(7, identities[0])).toBe('alive');
      expect(theirs.probe(7, identities[0] + 1_000_000)).toBe('dead');
      expect(theirs.probe(8, identities[0])).toBe('dead');
      theirs.unlock(7);
      expect(theirs.probe(7, identities[0])).toBe('alive');
      mine.unlock(7);
      expect(theirs.lock(7)).toBe(true);
      theirs.close();
      expect(mine.lock(7)).toBe(true);
      expect(() => mine.lock(1024)).toThrow(SharedMemoryError);
    }));

  test('what was asked of the machine and not applied says why', () =>
    withPair(async ({ one }) => {
      const region = await one.open('ring', 64, { mode: 'create', hugePages: true });
      const rows = region.tuning();
      const huge = rows.find((row) => row.name === 'hugePages');
      expect(huge).toMatchObject({ requested: 'yes', applied: 'no' });
      expect(huge?.reason).not.toBe('');
      expect(rows.find((row) => row.name === 'lockMemory')).toMatchObject({ requested: 'no', reason: '' });
    }));
}
