import { describe, expect, it } from 'vitest';
import { bytes, durationMs, formatBytes, formatDuration, percent } from '../../src/faults/units.ts';

describe('units', () => {
  it('should read durations as milliseconds', () => {
    expect(['150ms', '30s', '10m', '1h30m', '1.5s', '250us', 7].map((text) => durationMs.parse(text))).toEqual([
      150, 30_000, 600_000, 5_400_000, 1500, 0.25, 7,
    ]);
  });

  it('should read sizes as bytes', () => {
    expect(['512B', '4KiB', '1.5KiB', '10MB', 99].map((text) => bytes.parse(text))).toEqual([
      512, 4096, 1536, 10_000_000, 99,
    ]);
  });

  it('should read percentages', () => {
    expect(['2.5%', 100, '0%'].map((text) => percent.parse(text))).toEqual([2.5, 100, 0]);
  });

  it('should refuse what is none', () => {
    for (const wrong of ['', '30', 's', '-1s', -1, Number.NaN, '1x'])
      expect(durationMs.safeParse(wrong).success).toBe(false);
    for (const wrong of ['1', '1.5B', -1, 0.5, '4kb']) expect(bytes.safeParse(wrong).success).toBe(false);
    for (const wrong of ['101%', 101, -1, '%']) expect(percent.safeParse(wrong).success).toBe(false);
  });

  it('should write them as they are read', () => {
    for (const ms of [0, 5, 150, 1500, 30_000, 600_000, 7_200_000])
      expect(durationMs.parse(formatDuration(ms))).toBe(ms);
    for (const size of [0, 1, 1000, 4096, 1048576]) expect(bytes.parse(formatBytes(size))).toBe(size);
  });
});
