import { describe, expect, it } from 'vitest';
import { IdleRest } from '../../../src/engines/indexbus/idleRest.ts';
import { ProducerCursor } from '../../../src/engines/indexbus/layout.ts';
import { loopStats } from '../../../src/engines/indexbus/loopStats.ts';
import { type LoopRouter, RouterLoop } from '../../../src/engines/indexbus/routerLoop.ts';
import { createSegment, type Segment } from '../../../src/engines/indexbus/segment.ts';
import type { Region } from '../../../src/host/sharedMemory.ts';
import { Peers, peerSizes } from './support/peers.ts';

describe('a router that has nothing to do', () => {
  it('sleeps for its poll interval at first, for longer after a while, and as before once there is something', () => {
    const idle = new IdleRest(1_000);
    expect([idle.sleepUs(1_000, 100), idle.sleepUs(1_249, 100)]).toEqual([100, 100]);
    expect(idle.sleepUs(1_250, 100)).toBe(20_000);
    expect(idle.sleepUs(9_000, 50_000)).toBe(50_000);
    idle.busy(9_000);
    expect([idle.sleepUs(9_001, 100), idle.sleepUs(9_250, 100)]).toEqual([100, 20_000]);
  });

  it('wakes some dozen times a second, in place of as often as its poll interval has room', async () => {
    const { sleeps } = await slept(1_000);
    expect(sleeps.filter((ms) => ms === 0.1)).toHaveLength(2_500);
    expect(sleeps.slice(2_500)).toEqual(new Array(50).fill(20));
  });
});

describe('a router over a message that waits and cannot be taken yet', () => {
  it('looks as often as its poll interval says', async () => {
    const { sleeps } = await slept(1_000, (segment) => {
      segment.words[segment.layout.producerCursors + ProducerCursor.sourceTail] = 1;
    });
    expect(new Set(sleeps)).toEqual(new Set([0.1]));
    expect(sleeps).toHaveLength(12_500);
  });
});

/** Runs a loop over a router that takes nothing, until it has slept as long as 2,500 poll intervals of 0.1 ms and `moreMs`. */
async function slept(moreMs: number, prepare: (segment: Segment) => void = () => {}): Promise<{ sleeps: number[] }> {
  const host = new Peers().host();
  const made = await createSegment({ shm: host.shm, name: 'bus' }, peerSizes, 1);
  prepare(made);
  const sleeps: number[] = [];
  let slices = 0;
  const endAt = 2_500 + moreMs * 10;
  // Time in tenths of a millisecond, which add up without a rest.
  const clock = { ...host.clock, now: () => slices / 10 };
  const wait: Region['wait'] = (_word, _expected, timeoutMs) => {
    const whole = Math.max(1, Math.round(timeoutMs * 10));
    sleeps.push(whole / 10);
    slices += whole;
    return 'timeout';
  };
  const segment = { ...made, region: { ...made.region, wait } };
  const router: LoopRouter = {
    poll: () => 0,
    hasWork: () => false,
    apply: () => {},
    slept: () => {},
    wakes: new Float64Array(2),
    sources: { parks: new Float64Array(3) },
    commits: 0,
  };
  const settings = { pollIntervalUs: 100, spinUs: 0 };
  const isCalled = (): boolean => slices >= endAt;
  new RouterLoop(router, segment, { ...host, clock }, loopStats(), settings, {
    isCalled,
    sleepWithoutLook: false,
  }).run(() => false);
  return { sleeps };
}
