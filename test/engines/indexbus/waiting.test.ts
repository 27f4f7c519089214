import { describe, expect, it } from 'vitest';
import { Point } from '../../../src/engines/indexbus/points.ts';
import { Waiting } from '../../../src/engines/indexbus/waiting.ts';
import type { Host } from '../../../src/host/host.ts';
import type { Region } from '../../../src/host/sharedMemory.ts';

const flag = 0;
const wake = 1;
const news = 2;

interface Scene {
  readonly words: Int32Array;
  readonly waiting: Waiting;
  /** Sleeps: the sequence on which each began, and its length. */
  readonly sleeps: { readonly expected: number; readonly ms: number }[];
  readonly points: number[];
  now: number;
}

/**
 * A wait over memory of this test. A sleep ends at once where the sequence has changed, else at its time-out, or by what `during` does.
 */
function scene(
  options: {
    readonly at?: (point: number, words: Int32Array) => void;
    readonly during?: (words: Int32Array) => void;
    readonly spins?: number;
    readonly mutant?: boolean;
    readonly faults?: boolean;
    readonly isHeld?: () => boolean;
    readonly wake?: (word: number, count: number) => void;
  } = {},
): Scene {
  const words = new Int32Array(new SharedArrayBuffer(16));
  const wait = (word: number, expected: number, ms: number) => {
    if (Atomics.load(words, word) !== expected) return 'changed' as const;
    result.sleeps.push({ expected, ms });
    options.during?.(words);
    if (Atomics.load(words, word) !== expected) return 'woken' as const;
    result.now += ms;
    return 'timeout' as const;
  };
  const region = {
    words,
    step: (point: number) => {
      result.points.push(point);
      options.at?.(point, words);
    },
    wait,
    waitAsync: async (word: number, expected: number, ms: number) => wait(word, expected, ms),
    wake: (word: number, count: number) => {
      options.wake?.(word, count);
      return 0;
    },
    // Nothing else of a region is used by a wait.
  } as unknown as Region;
  const host = {
    clock: { now: () => result.now },
    telemetry: { buggify: () => options.faults ?? false },
  } as unknown as Host;
  const waiting = new Waiting(
    region,
    host,
    flag,
    wake,
    () => Atomics.load(words, news) !== 0,
    options.spins ?? 0,
    { sleepWithoutLook: options.mutant ?? false },
    options.isHeld,
  );
  const result: Scene = { words, waiting, sleeps: [], points: [], now: 0 };
  return result;
}

/** The other side: stores what is waited for, then wakes whoever says that it sleeps. */
function tell(words: Int32Array): void {
  Atomics.store(words, news, 1);
  if (Atomics.load(words, flag) !== 0) Atomics.add(words, wake, 1);
}

for (const way of ['until', 'untilSync'] as const) {
  describe(`a wait (${way})`, () => {
    it('that finds what it wants touches nothing', async () => {
      const it = scene();
      Atomics.store(it.words, news, 1);
      expect(await it.waiting[way](100)).toBe(true);
      expect(it.points).toEqual([]);
    });

    it('says that it sleeps, looks again, sleeps, and takes it back', async () => {
      const flags: number[] = [];
      const it = scene({
        during: (words) => {
          flags.push(Atomics.load(words, flag));
          tell(words);
        },
      });
      expect(await it.waiting[way](1000)).toBe(true);
      expect(it.points).toEqual([Point.setSleeping, Point.lookAgain, Point.sleep, Point.clearSleeping]);
      expect(flags).toEqual([1]);
      expect(Atomics.load(it.words, flag)).toBe(0);
      expect(it.now).toBe(0);
    });

    for (const point of [Point.setSleeping, Point.lookAgain, Point.sleep] as const) {
      it(`loses nothing that is told at step ${point}`, async () => {
        let told = false;
        const it = scene({
          at: (visited, words) => {
            if (visited !== point || told) return;
            told = true;
            tell(words);
          },
        });
        expect(await it.waiting[way](1000)).toBe(true);
        expect(it.now).toBe(0);
      });
    }

    it('sleeps 50 ms at most, so that a wake that got lost costs no more', async () => {
      const it = scene({
        during: (words) => {
          // Told without a wake.
          if (it.sleeps.length === 2) Atomics.store(words, news, 1);
        },
      });
      expect(await it.waiting[way](1000)).toBe(true);
      expect(it.sleeps.map(({ ms }) => ms)).toEqual([50, 50]);
      expect(it.now).toBe(100);
    });

    it('ends at its time-out, to the millisecond', async () => {
      const it = scene();
      expect(await it.waiting[way](120)).toBe(false);
      expect(it.now).toBe(120);
      expect(it.sleeps.map(({ ms }) => ms)).toEqual([50, 50, 20]);
      expect(Atomics.load(it.words, flag)).toBe(0);
    });

    it('whose words were given back while it slept writes nothing there: the next holder sleeps on them', async () => {
      let isHeld = true;
      const it = scene({
        isHeld: () => isHeld,
        during: (words) => {
          isHeld = false;
          Atomics.store(words, flag, 1);
          Atomics.store(words, news, 1);
          Atomics.add(words, wake, 1);
        },
      });
      expect(await it.waiting[way](1000)).toBe(true);
      expect(Atomics.load(it.words, flag)).toBe(1);
    });

    it('without time looks once', async () => {
      const it = scene();
      expect(await it.waiting[way](0)).toBe(false);
      expect(it.sleeps).toEqual([]);
    });

    it('with the planted bug sleeps over what came before the flag', async () => {
      const it = scene({
        mutant: true,
        at: (visited, words) => {
          if (visited === Point.setSleeping && it.points.length === 1) tell(words);
        },
      });
      expect(await it.waiting[way](1000)).toBe(true);
      expect(it.now).toBe(50);
    });
  });
}

describe('the end of all waits of a side', () => {
  for (const isHeld of [true, false]) {
    it(`wakes its sleepers and ${isHeld ? 'changes the sequence' : 'leaves a sequence alone that is another side’s'}`, () => {
      const woken: [number, number][] = [];
      const it = scene({ isHeld: () => isHeld, wake: (...call) => woken.push(call) });
      it.waiting.wakeAll();
      expect(Atomics.load(it.words, wake)).toBe(isHeld ? 1 : 0);
      expect(woken).toEqual([[wake, 2 ** 30]]);
    });
  }
});

describe('several waits of one side', () => {
  it('keep the flag until the last has ended', async () => {
    const it = scene();
    const first = it.waiting.until(50);
    const second = it.waiting.until(100);
    expect(await first).toBe(false);
    expect(await second).toBe(false);
    expect(Atomics.load(it.words, flag)).toBe(0);
  });
});
