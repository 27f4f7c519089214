import { describe, expect, it } from 'vitest';
import { sizeOf } from '../../src/cli/stemedb/sizing.ts';

const input = { writesPerSecond: 1000, payloadBytes: 256, latencyMs: 10, walMaxBytes: 2 ** 33, indexMaxBytes: 2 ** 32 };

describe('sizing', () => {
  it('should sync no oftener than a durable write takes', () => {
    const sizing = sizeOf(input);
    expect(sizing.syncsPerSecond).toBe(100);
    expect(sizing.recordsPerSync).toBe(10);
    // 80 B of header and 10 records of 16 + 256 B fit into one page.
    expect(sizing.logBytesPerSecond).toBe(100 * 4096);
  });

  it('should sync once a write where the disk is fast enough', () => {
    expect(sizeOf({ ...input, writesPerSecond: 20 }).syncsPerSecond).toBe(20);
  });

  it("should repeat the runbook's example: 1,000 writes, 1,500 IOPS, 3,000 with headroom", () => {
    expect(sizeOf(input)).toMatchObject({ runbookIops: 1500, runbookIopsWithHeadroom: 3000 });
  });

  it('should say when the log is full', () => {
    expect(sizeOf(input).daysUntilWalFull).toBeCloseTo(2 ** 33 / (100 * 4096 * 86_400), 9);
    expect(sizeOf(input).daysUntilIndexFull).toBeCloseTo(2 ** 32 / (1000 * 86_400 * 110), 9);
  });
});
