import { describe, expect, test } from 'vitest';
import { Echoes, Progress } from '../../../../src/engines/streambus/broker/echoes.ts';

/** The number of the ping that goes out; fails when none does. */
function ping(echoes: Echoes, now: number, writtenBytes: number): number {
  const number = echoes.pingAt(now, writtenBytes);
  if (number === undefined) throw new Error(`no ping at ${now}`);
  return number;
}

describe('Echoes', () => {
  test('should ping every 2 s, and not before the last echo has come', () => {
    const echoes = new Echoes(0);
    expect(echoes.pingAt(1_999, 0)).toBeUndefined();
    const first = ping(echoes, 2_000, 0);
    expect(echoes.pingAt(4_100, 0)).toBeUndefined();
    echoes.echoed(first);
    expect(ping(echoes, 4_200, 0)).toBe(first + 1);
  });

  test('should give an empty connection 2 s, from the last that was heard of it', () => {
    const echoes = new Echoes(0);
    expect(echoes.isSilent(60_000)).toBe(false);
    ping(echoes, 2_000, 0);
    expect(echoes.isSilent(3_999)).toBe(false);
    expect(echoes.isSilent(4_000)).toBe(true);
    echoes.heard(3_500);
    expect(echoes.isSilent(5_499)).toBe(false);
    expect(echoes.isSilent(5_500)).toBe(true);
  });

  test.each([
    ['their time at 32 KB/s', 64_000, 4_000],
    ['4 s at most', 64 * 1024 * 1024, 6_000],
  ])('should give what is under way %s', (_, bytes, patienceMs) => {
    const echoes = new Echoes(0);
    // However fast it was before, and however long nothing was sent.
    for (let at = 2_000; at < 20_000; at += 2_000) echoes.echoed(ping(echoes, at, 1_000));
    ping(echoes, 20_000, 1_000 + bytes);
    expect(echoes.patienceMs).toBe(patienceMs);
    expect(echoes.isSilent(20_000 + patienceMs - 1)).toBe(false);
    expect(echoes.isSilent(20_000 + patienceMs)).toBe(true);
  });

  test('should not take an echo of another ping for the one it waits for', () => {
    const echoes = new Echoes(0);
    const first = ping(echoes, 2_000, 0);
    echoes.echoed(first + 1);
    expect(echoes.isSilent(4_000)).toBe(true);
    echoes.echoed(first);
    expect(echoes.isSilent(4_000)).toBe(false);
  });
});

test('progress is said after 32 KiB, twice a second at most, and never as the echo of a ping that has not come', () => {
  const progress = new Progress(0);
  let now = 0;
  const read = (bytes: number) => progress.read(bytes, () => now);
  now = 10_000;
  expect(read(32 * 1024 - 1)).toBeUndefined();
  expect(read(1)).toBe(0);
  now += 499;
  expect(read(1024 * 1024)).toBeUndefined();
  now += 1;
  expect(read(1)).toBe(0);
  expect(progress.pinged(now, 7)).toBe(7);
  now += 500;
  expect(read(32 * 1024 - 1)).toBeUndefined();
  expect(read(1)).toBe(7);
});
