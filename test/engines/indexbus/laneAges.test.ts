import { describe, expect, it } from 'vitest';
import { LaneAges } from '../../../src/engines/indexbus/laneAges.ts';
import { cursorWords, LaneCursor, Slot } from '../../../src/engines/indexbus/layout.ts';
import { openSegment } from '../../../src/engines/indexbus/segment.ts';
import { Peers } from './support/peers.ts';

const minute = 60_000;

/** A segment in whose lane 1 stands one message of slot 2 of producer 0. */
async function withMessage(publishedAt: number) {
  const peers = new Peers();
  const { segment: made } = await peers.router();
  const { shm } = peers.host();
  const segment = await openSegment({ shm, name: made.name });
  await peers.end();
  const { words, layout } = segment;
  const cursors = layout.laneCursors + cursorWords;
  words[layout.laneRings + layout.laneRingStep] = 2;
  words[layout.pools + 2 * layout.slotWords + Slot.publishedAt] = Math.floor(publishedAt * 1_000) | 0;
  words[cursors + LaneCursor.tail] = 1;
  return { words, cursors, ages: new LaneAges(segment) };
}

describe('the age of the oldest message of a lane', () => {
  it('should be since its publish, and go on where the stamp goes round', async () => {
    const published = 5_000_000.25;
    const { ages } = await withMessage(published);
    expect(ages.oldestMs(0, published)).toBe(0);
    for (const age of [0, 1, 1_000, 35 * minute, 36 * minute, 71 * minute, 100 * minute, 24 * 60 * minute]) {
      ages.tick(published + age);
      expect(ages.oldestMs(1, published + age)).toBeCloseTo(age, 1);
    }
  });

  it('should be right at the first look, too, for an hour', async () => {
    const { ages } = await withMessage(1_000);
    expect(ages.oldestMs(1, 1_000 + 60 * minute)).toBeCloseTo(60 * minute, 1);
  });

  it('should be 0 of a message that is published while it is looked at, and begin anew with the next one', async () => {
    const { ages, words, cursors } = await withMessage(1_000);
    expect(ages.oldestMs(1, 999.9)).toBe(0);
    expect(ages.oldestMs(1, 1_100)).toBeCloseTo(100, 0);
    words[cursors + LaneCursor.head] = 1;
    expect(ages.oldestMs(1, 1_200)).toBe(0);
  });
});
