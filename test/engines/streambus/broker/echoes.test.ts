import { describe, expect, test } from 'vitest';
import { Echoes } from '../../../../src/engines/streambus/broker/echoes.ts';

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
    echoes.echoed(4_200, first);
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

  test('should give what was written before the ping its time, but no more than 30 s', () => {
    const echoes = new Echoes(0);
    ping(echoes, 2_000, 320_000);
    expect(echoes.patienceMs).toBe(2_000 + 10_000);
    expect(echoes.isSilent(13_999)).toBe(false);
    expect(echoes.isSilent(14_000)).toBe(true);
    const full = new Echoes(0);
    ping(full, 2_000, 64 * 1024 * 1024);
    expect(full.patienceMs).toBe(32_000);
  });

  test('should have little patience with a link that has carried much, and forget it when it carries less', () => {
    const echoes = new Echoes(0);
    echoes.echoed(2_010, ping(echoes, 2_000, 20_100_000));
    ping(echoes, 4_000, 20_100_000 + 1_000_000);
    expect(echoes.patienceMs).toBe(2_200);
    let written = 21_100_000;
    echoes.echoed(4_010, 2);
    for (let at = 6_000; at < 60_000; at += 2_000) echoes.echoed(at + 10, ping(echoes, at, written));
    written += 1_000_000;
    ping(echoes, 60_000, written);
    expect(echoes.patienceMs).toBeGreaterThan(30_000);
  });

  test('should not take an echo of another ping for the one it waits for', () => {
    const echoes = new Echoes(0);
    const first = ping(echoes, 2_000, 0);
    echoes.echoed(2_100, first + 1);
    expect(echoes.isSilent(4_000)).toBe(true);
    echoes.echoed(4_000, first);
    expect(echoes.isSilent(4_000)).toBe(false);
  });
});
