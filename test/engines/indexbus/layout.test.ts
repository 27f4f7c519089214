import { describe, expect, it } from 'vitest';
import { Lock, SeatLock, seatsMax } from '../../../src/engines/indexbus/layout.ts';

const seats = Array.from({ length: 2 * seatsMax }, (_, seat) => seat);

function locksOf(generation: number): readonly number[] {
  return seats.map((seat) => Lock.seat(generation, seat));
}

describe('the locks of seats', () => {
  it('of the first generation are those behind the lock of the router, one after the other', () => {
    expect(locksOf(1)).toEqual(seats.map((seat) => 1 + seat));
  });

  it('of as many generations as there is room for are those of nobody else', () => {
    for (const first of [1, 20, 2 ** 31 - 5]) {
      const locks = Array.from({ length: SeatLock.generations }, (_, after) => locksOf(first + after)).flat();
      expect(new Set([Lock.router, Lock.creation, ...locks]).size).toBe(2 + SeatLock.generations * seats.length);
      expect(Math.min(...locks)).toBe(Lock.router + 1);
      expect(Math.max(...locks)).toBeLessThan(Lock.creation);
    }
  });

  it('come again after that', () => {
    expect(locksOf(1 + SeatLock.generations)).toEqual(locksOf(1));
  });
});
