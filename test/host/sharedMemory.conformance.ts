import { expect, test } from 'vitest';
import {
  type ProcessIdentity,
  regionLocks,
  type SharedMemory,
  SharedMemoryError,
} from '../../src/host/sharedMemory.ts';

/** Two participants of one machine, and a clock's sleep. */
export interface SharedMemoryPair {
  readonly one: SharedMemory;
  readonly other: SharedMemory;
  readonly sleep: (ms: number) => Promise<void>;
  /** Whether no asynchronous wait wakes for nothing, and each wake meets those who wait. Default true. */
  readonly exactWakes?: boolean;
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

  test('where it gathers, runs come as they are, wherever they begin and end, and a wrong one changes nothing', () =>
    withPair(async ({ one }) => {
      const region = await one.open('ring', 4096, { mode: 'create' });
      if (region.gather === undefined) return;
      region.words.forEach((_, index) => {
        region.words[index] = index + 1;
      });
      const to = new Int32Array(600);
      const wanted = new Int32Array(600);
      const runs: number[] = [];
      let at = 0;
      for (let index = 0; index < 25; index += 1) {
        const from = (index * 131) % 1000;
        runs.push(from, at, index);
        for (let word = 0; word < index; word += 1) wanted[at + word] = from + word + 1;
        // One place stays free now and then, so that runs begin at odd words too.
        at += index + (index & 1);
      }
      runs.push(1023, 599, 1, 1024, 600, 0);
      wanted[599] = 1024;
      region.gather(Int32Array.from(runs), runs.length / 3, to);
      expect(to).toEqual(wanted);
      region.gather(Int32Array.of(), 0, to);
      const wrong = [
        [1023, 0, 2],
        [1025, 0, 0],
        [-1, 0, 1],
        [0, 599, 2],
        [0, -1, 1],
        [0, 0, -1],
        [0x7fff_ffff, 0, 0x7fff_ffff],
      ];
      for (const run of wrong) {
        expect(() => region.gather?.(Int32Array.of(5, 5, 5, ...run), 2, to)).toThrow(/run 1 has/);
      }
      for (const count of [2, -1, 0.5])
        expect(() => region.gather?.(Int32Array.of(1, 2, 3), count, to)).toThrow(/count|runs/);
      expect(to).toEqual(wanted);
    }));

  test('modes are kept: create-new meets EEXIST, open meets ENOENT, sizes are checked', () =>
    withPair(async ({ one, other }) => {
      expect(await codeOf(one.open('ring', 64, { mode: 'open' }))).toBe('ENOENT');
      await one.open('ring', 64, { mode: 'create-new' });
      expect(await codeOf(other.open('ring', 64, { mode: 'create-new' }))).toBe('EEXIST');
      expect(await codeOf(other.open('ring', 128, { mode: 'open' }))).toBe('EINVAL');
      expect(await codeOf(one.open('odd', 63, { mode: 'create' }))).toBe('EINVAL');
      for (const name of ['', '../ring', 'a/b', '.hidden', 'with blank', 'x'.repeat(129)]) {
        expect(await codeOf(one.open(name, 64, { mode: 'create' }))).toBe('EINVAL');
      }
    }));

  test('memory of several users can be opened with a part of its size', () =>
    withPair(async ({ one, other }) => {
      const mine = await one.open('ring', 8192, { mode: 'create' });
      const theirs = await other.open('ring', 4096, { mode: 'create' });
      mine.words[1023] = 4;
      expect([theirs.words.length, theirs.words[1023]]).toEqual([1024, 4]);
    }));

  test('of participants that make a name at once one makes it', () =>
    withPair(async ({ one, other }) => {
      const all = [one, other, one, other].map((shm) => codeOf(shm.open('ring', 64, { mode: 'create-new' })));
      expect((await Promise.all(all)).sort()).toEqual(['EEXIST', 'EEXIST', 'EEXIST', 'no error']);
      const regions = await Promise.all([one, other].map((shm) => shm.open('fresh', 64, { mode: 'create' })));
      regions.forEach((region, index) => {
        region.words[index] = 1;
      });
      for (const region of regions) expect([...region.words.subarray(0, 3)]).toEqual([1, 1, 0]);
    }));

  test('size and backing of a name are told, of none nothing', () =>
    withPair(async ({ one, other }) => {
      expect(await other.stat('ring')).toBeUndefined();
      const { backing } = await one.open('ring', 8200, { mode: 'create' });
      expect(await other.stat('ring')).toMatchObject({ bytes: 8200, backing });
      await one.remove('ring');
      expect(await other.stat('ring')).toBeUndefined();
    }));

  test('memory that tells itself from other memory does so under every name, to everybody', () =>
    withPair(async ({ one, other }) => {
      const { memory } = await one.open('ring', 64, { mode: 'create' });
      expect((await other.open('ring', 64, { mode: 'open' })).memory).toBe(memory);
      await one.open('building', 64, { mode: 'create-new' });
      await one.rename('ring', 'former');
      await one.rename('building', 'ring');
      expect((await other.stat('former'))?.memory).toBe(memory);
      const next = (await other.stat('ring'))?.memory;
      expect(next === memory).toBe(memory === undefined);
    }));

  test('a region takes another name in one step; what stood there stays with those attached', () =>
    withPair(async ({ one, other }) => {
      expect(await codeOf(one.rename('building', 'ring'))).toBe('ENOENT');
      const old = await other.open('ring', 64, { mode: 'create' });
      old.words[0] = 1;
      const built = await one.open('building', 128, { mode: 'create-new' });
      built.words[0] = 2;
      await one.rename('building', 'ring');
      expect(await other.stat('building')).toBeUndefined();
      expect((await other.stat('ring'))?.bytes).toBe(128);
      const fresh = await other.open('ring', 128, { mode: 'open' });
      expect([old.words[0], fresh.words[0]]).toEqual([1, 2]);
      fresh.words[1] = 3;
      expect([built.words[1], old.words[1]]).toEqual([3, 0]);
      // The name goes on as any other: built anew, and removed.
      await one.open('building', 64, { mode: 'create-new' });
      await one.rename('building', 'ring');
      await other.remove('ring');
      expect(await one.stat('ring')).toBeUndefined();
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
    withPair(async ({ one, other, sleep, exactWakes = true }) => {
      const mine = await one.open('ring', 64, { mode: 'create' });
      const theirs = await other.open('ring', 64, { mode: 'open' });
      expect(await theirs.waitAsync(0, 1, 1000)).toBe('changed');
      expect(await theirs.waitAsync(0, 0, 5)).toBe('timeout');
      expect(theirs.wait(0, 1, 0)).toBe('changed');
      const waits = [theirs.waitAsync(2, 0, 10_000), theirs.waitAsync(2, 0, 10_000)];
      await sleep(20);
      expect(mine.wake(3, 10)).toBe(0);
      expect(mine.wake(2, 0)).toBe(0);
      expect(mine.wake(2, 1)).toBe(1);
      expect(await Promise.race(waits)).toBe('woken');
      const woken = mine.wake(2, 10);
      if (exactWakes) expect(woken).toBe(1);
      expect(await Promise.all(waits)).toEqual(['woken', 'woken']);
      expect(() => mine.wake(16, 1)).toThrow(SharedMemoryError);
    }));

  test('a wait on a closed region is refused, whatever its word says', () =>
    withPair(async ({ one, other }) => {
      const mine = await one.open('ring', 64, { mode: 'create' });
      const theirs = await other.open('ring', 64, { mode: 'open' });
      mine.close();
      expect(await codeOf(mine.waitAsync(0, 0, 1_000))).toBe('EINVAL');
      expect(await codeOf(mine.waitAsync(0, 1, 1_000))).toBe('EINVAL');
      expect(await theirs.waitAsync(0, 0, 1)).toBe('timeout');
    }));

  test('the waits of a region end when it closes, take no wake from others, and leave theirs', () =>
    withPair(async ({ one, other, sleep }) => {
      const mine = await one.open('ring', 64, { mode: 'create' });
      const [second, theirs] = [
        await one.open('ring', 64, { mode: 'open' }),
        await other.open('ring', 64, { mode: 'open' }),
      ];
      const inTime = (wait: Promise<string>) => Promise.race([wait, sleep(2_000).then(() => 'not ended')]);
      const waits = [mine.waitAsync(0, 0, 60_000), mine.waitAsync(0, 0, 60_000), mine.waitAsync(1, 0, 60_000)];
      const others = [second.waitAsync(1, 0, 60_000), theirs.waitAsync(1, 0, 60_000)];
      await sleep(20);
      mine.close();
      for (const wait of waits) expect(['timeout', 'changed']).toContain(await inTime(wait));
      const next = theirs.waitAsync(0, 0, 60_000);
      await sleep(20);
      for (const word of [0, 1]) Atomics.store(second.words, word, 1);
      second.wake(0, 1);
      second.wake(1, 10);
      for (const wait of [next, ...others]) expect(['woken', 'changed']).toContain(await inTime(wait));
    }));

  test('who changes the word before the wake is never slept through', () =>
    withPair(async ({ one, other }) => {
      const mine = await one.open('ring', 64, { mode: 'create' });
      const theirs = await other.open('ring', 64, { mode: 'open' });
      for (let round = 0; round < 50; round++) {
        const words = [1, 4, 9];
        const waits = words.map((word) => theirs.waitAsync(word, round, 5000));
        // Some waits meet the thread asleep, some on its way to sleep.
        if (round % 2 === 0) await Promise.resolve();
        for (const word of words) {
          Atomics.store(mine.words, word, round + 1);
          mine.wake(word, 1);
        }
        for (const result of await Promise.all(waits)) expect(result).not.toBe('timeout');
      }
    }));

  test('a lock has one holder, and ends with unlock or close', () =>
    withPair(async ({ one, other }) => {
      const mine = await one.open('ring', 64, { mode: 'create' });
      const theirs = await other.open('ring', 64, { mode: 'open' });
      const [me, them] = [one.identity(), other.identity()];
      expect([mine.lock(7), mine.lock(7), theirs.lock(7)]).toEqual([true, true, false]);
      expect(theirs.evidence(7, me)).toEqual({ lock: 'held', process: 'running' });
      expect(mine.evidence(7, me)).toEqual({ lock: 'held', process: 'running' });
      expect(theirs.evidence(8, me)).toEqual({ lock: 'free', process: 'running' });
      theirs.unlock(7);
      expect(theirs.evidence(7, me).lock).toBe('held');
      mine.unlock(7);
      expect(theirs.evidence(7, me).lock).toBe('free');
      expect(theirs.lock(7)).toBe(true);
      expect(mine.evidence(7, them)).toEqual({ lock: 'held', process: 'running' });
      theirs.close();
      expect(mine.lock(7)).toBe(true);
      expect(() => mine.lock(regionLocks)).toThrow(SharedMemoryError);
      expect(() => mine.lock(-1)).toThrow(SharedMemoryError);
      expect(mine.lock(regionLocks - 1)).toBe(true);
      expect(() => theirs.lock(7)).toThrow(/closed/);
    }));

  test('the kernel tells who is not there, who came under the same pid, and of whom it can know nothing', () =>
    withPair(async ({ one, other }) => {
      const mine = await one.open('ring', 64, { mode: 'create' });
      const them = other.identity();
      const asked = (holder: Partial<ProcessIdentity>) => mine.evidence(3, { ...them, ...holder }).process;
      expect(asked({})).toBe('running');
      expect(asked({ startTicks: them.startTicks + 1 })).toBe('other');
      expect(asked({ pid: 2 ** 22 + 1 })).toBe('gone');
      expect(asked({ pidSpace: them.pidSpace + 1 })).toBe('unknown');
    }));

  test('regions with one lock name share their locks; a lock stays while a region that took it is open', () =>
    withPair(async ({ one, other }) => {
      const old = await one.open('ring', 64, { mode: 'create', lockName: 'bus' });
      const fresh = await one.open('building', 64, { mode: 'create', lockName: 'bus' });
      const theirs = await other.open('ring', 64, { mode: 'open', lockName: 'bus' });
      expect([old.lock(1), old.lock(2), fresh.lock(2)]).toEqual([true, true, true]);
      expect([theirs.lock(1), theirs.lock(2)]).toEqual([false, false]);
      old.close();
      expect([theirs.lock(1), theirs.lock(2)]).toEqual([true, false]);
      fresh.close();
      expect(theirs.lock(2)).toBe(true);
    }));

  test("a lock that a region takes alone is no other's of the same participant, nor is one that others have", () =>
    withPair(async ({ one, other }) => {
      const open = (by: SharedMemory) => by.open('ring', 64, { mode: 'create', lockName: 'bus' });
      const [first, second, theirs] = [await open(one), await open(one), await open(other)];
      expect([first.lock(1, 'alone'), first.lock(1, 'alone'), first.lock(1)]).toEqual([true, true, true]);
      expect([second.lock(1, 'alone'), second.lock(1), theirs.lock(1)]).toEqual([false, false, false]);
      second.unlock(1);
      expect(theirs.lock(1)).toBe(false);
      first.unlock(1);
      expect([second.lock(1, 'alone'), first.lock(1)]).toEqual([true, false]);
      second.close();
      expect(theirs.lock(1, 'alone')).toBe(true);
      expect([first.lock(2), first.lock(2, 'alone')]).toEqual([true, true]);
      const third = await open(one);
      expect([first.lock(3), third.lock(3), first.lock(3, 'alone'), third.lock(3)]).toEqual([true, true, false, true]);
      third.unlock(3);
      expect([first.lock(3, 'alone'), third.lock(3)]).toEqual([true, false]);
    }));

  test('participants of one boot have the same number of it', () =>
    withPair(async ({ one, other }) => {
      const id = one.bootId();
      expect(other.bootId()).toEqual(id);
      expect(id).toHaveLength(4);
      expect(id.some((word) => word !== 0)).toBe(true);
      for (const word of id) expect(Number.isInteger(word) && word >= 0 && word < 2 ** 32).toBe(true);
    }));

  test('what was asked of the machine and not applied says why; a backing that it has not is refused', () =>
    withPair(async ({ one }) => {
      const region = await one.open('ring', 64, { mode: 'create', hugePages: true });
      const rows = region.tuning();
      const huge = rows.find((row) => row.name === 'hugePages');
      expect(huge?.requested).toBe('yes');
      expect(huge?.reason === '').toBe(huge?.applied === 'yes');
      const left = await one.open('left', 4 * 1024 * 1024, { mode: 'create' });
      expect(
        left.tuning().find((row) => row.name === 'hugePages'),
        'it was left to the machine',
      ).toMatchObject({ reason: '' });
      expect(rows.find((row) => row.name === 'lockMemory')).toMatchObject({ requested: 'no', reason: '' });
      expect(rows.find((row) => row.name === 'backing')?.applied).toBe(region.backing);
      const alien = region.backing === 'sim' ? 'sab' : 'sim';
      expect(await codeOf(one.open('alien', 64, { mode: 'create', backing: alien }))).toBe('ENOTSUP');
    }));
}
