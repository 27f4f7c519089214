import { describe, expect, it } from 'vitest';
import type { BusEvent } from '../../../../src/checkers/indexbus/events.ts';
import type { Clock } from '../../../../src/host/clock.ts';
import { Rounds, spins } from '../../../../src/scenario/stands/indexbus/rounds.ts';
import type { BusBook } from '../../../../src/scenario/stands/indexbus/witness/busBook.ts';

/** A clock that goes on when it is told to, and keeps the sleeps that were asked for. */
function settableClock() {
  const slept: number[] = [];
  const time = { now: 0 };
  const clock: Clock = {
    now: () => time.now,
    wall: () => time.now,
    timer: () => {
      throw new Error('nothing here waits for a timer');
    },
    sleep: async (ms) => {
      slept.push(ms);
      time.now += ms;
    },
  };
  return { clock, time, slept };
}

function spunWithin(rounds: Rounds, most: number): number | undefined {
  for (let round = 1; round <= most; round += 1) if (rounds.isSpinning()) return round;
  return undefined;
}

describe('rounds of a program', () => {
  it('should be told to spin at the thousandth that no time is between', () => {
    const { clock } = settableClock();
    expect(spunWithin(new Rounds(clock), 5_000)).toBe(1_000);
  });

  it('should count anew once time has gone on, however little', () => {
    const { clock, time } = settableClock();
    const rounds = new Rounds(clock);
    expect(spunWithin(rounds, 999)).toBeUndefined();
    time.now += 0.001;
    expect(spunWithin(rounds, 5_000)).toBe(1_000);
  });

  it('should never spin where each takes time', () => {
    const { clock, time } = settableClock();
    const rounds = new Rounds(clock);
    for (let round = 0; round < 5_000; round += 1) {
      expect(rounds.isSpinning()).toBe(false);
      time.now += 0.02;
    }
  });

  it('should be written down as stuck when it spins, and stop it so that the run goes on', async () => {
    const { clock, slept } = settableClock();
    const events: BusEvent[] = [];
    const book: Pick<BusBook, 'put'> = { put: (event) => events.push(event) };
    // All that it needs of a book.
    await spins(book as BusBook, 'c1', clock);
    expect(events).toEqual([{ event: 'stuck', who: expect.stringContaining('c1') }]);
    expect(slept).toEqual([1_000]);
  });
});
