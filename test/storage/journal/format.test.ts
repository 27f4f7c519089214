import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchBuffer, decodeRecords, payloadBytes, recordBytes } from '../../../src/storage/journal/batch.ts';
import {
  decodeBatchHeader,
  decodeSegmentHeader,
  encodeSegmentHeader,
  newSegmentHeader,
  segmentFileName,
  segmentIdOf,
} from '../../../src/storage/journal/format.ts';

const header = newSegmentHeader({
  journalId: '00112233445566778899aabbccddeeff',
  segmentId: 42,
  baseLsn: 2 ** 40 + 7,
  salt: 0xdeadbeef,
  segmentBytes: 1 << 20,
  previousLastLsn: 2 ** 40 + 6,
  previousBatchCrc: 0xffffffff,
  incarnation: 3,
  createdWall: 1_700_000_000_123,
});
const submission = {
  flags: 0,
  segmentId: 42,
  salt: 0xdeadbeef,
  fileOffset: 4096,
  durableLsn: 2 ** 33,
  previousCrc: 9,
  wallMs: 1_700_000_000_999,
  incarnation: 3,
};

function flip(bytes: Uint8Array, at: number, bit = 1): Uint8Array {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ bit;
  return copy;
}

describe('segment header', () => {
  it('should come back as it was written', () => {
    expect(decodeSegmentHeader(encodeSegmentHeader(header))).toEqual({ kind: 'header', header, damagedCopies: 0 });
  });

  it('should survive any damage to one copy, and not of both', () => {
    const page = encodeSegmentHeader(header);
    for (let at = 0; at < 512; at++) {
      const one = flip(page, at, 1 << (at & 7));
      expect(decodeSegmentHeader(one)).toEqual({ kind: 'header', header, damagedCopies: 1 });
      expect(decodeSegmentHeader(flip(page, 2048 + at))).toEqual({ kind: 'header', header, damagedCopies: 1 });
      expect(decodeSegmentHeader(flip(one, 2048 + ((at * 7) % 512)))).toEqual({ kind: 'unreadable', zero: false });
    }
    expect(decodeSegmentHeader(new Uint8Array(4096))).toEqual({ kind: 'unreadable', zero: true });
  });

  it('should name a newer version instead of calling it damage', () => {
    const page = encodeSegmentHeader({ ...header, version: 2 });
    expect(decodeSegmentHeader(page)).toEqual({ kind: 'newer', version: 2 });
  });

  it('should know its files by name', () => {
    expect(segmentFileName(42)).toBe('segment-00000042.wal');
    expect(segmentIdOf('segment-00000042.wal')).toBe(42);
    expect(['test.dat', 'segment-42.wal', 'segment-00000042.wal.tmp'].map(segmentIdOf)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});

const recordIn = fc.record({
  type: fc.nat(239),
  stream: fc.nat(0xffffffff),
  payload: fc.oneof(fc.uint8Array({ maxLength: 80 }), fc.array(fc.uint8Array({ maxLength: 9 }), { maxLength: 4 })),
});

function bytesOf(payload: Uint8Array | readonly Uint8Array[]): number[] {
  return payload instanceof Uint8Array ? [...payload] : payload.flatMap((piece) => [...piece]);
}

describe('batch', () => {
  it('should give back its records, also from a buffer that held another batch', () => {
    fc.assert(
      fc.property(fc.array(recordIn, { maxLength: 90 }), fc.nat(2 ** 45), fc.boolean(), (records, first, dense) => {
        const buffer = new BatchBuffer(1, 4096);
        buffer.add({ type: 9, payload: new Uint8Array(4000).fill(255) }, 4000, 5, 1);
        buffer.reset(first);
        for (const record of records) buffer.add(record, payloadBytes(record.payload), 5, buffer.lastLsn + 1);
        const { bytes, headerCrc } = buffer.finish(submission, dense ? 16 : 4096);
        const read = decodeBatchHeader(bytes, 0);
        expect(read).toMatchObject({ ...submission, firstLsn: first, recordCount: records.length, headerCrc });
        if (read === undefined) return;
        expect(bytes.length % (dense ? 16 : 4096)).toBe(0);
        const back = decodeRecords(bytes, read, 5, true);
        if (typeof back === 'string') throw new Error(back);
        expect(back.map(({ record }) => ({ ...record, payload: [...record.payload] }))).toEqual(
          records.map((record, i) => ({
            lsn: first + i,
            stream: record.stream,
            type: record.type,
            wallMs: submission.wallMs,
            payload: bytesOf(record.payload),
          })),
        );
        expect(back.map(({ offset }) => offset)).toEqual(records.map((_, i) => buffer.recordOffset(i)));
      }),
    );
  });

  it('should notice every flipped bit that is not padding', () => {
    const buffer = new BatchBuffer(7, 4096);
    for (let i = 0; i < 5; i++) {
      buffer.add({ type: i, stream: i, payload: Uint8Array.from({ length: 11 * i }, (_, k) => k) }, 11 * i, 5, 7 + i);
    }
    const { bytes } = buffer.finish(submission);
    const padding = new Set<number>();
    for (let i = 0; i < 5; i++) {
      const end = buffer.recordOffset(i) + 16 + 11 * i;
      for (let at = end; at < buffer.recordOffset(i) + recordBytes(11 * i); at++) padding.add(at);
    }
    for (let at = 0; at < buffer.usedBytes; at++) {
      for (let bit = 1; bit < 256; bit <<= 1) {
        const damaged = flip(bytes, at, bit);
        const read = decodeBatchHeader(damaged, 0);
        const intact = read !== undefined && typeof decodeRecords(damaged, read, 5, true) !== 'string';
        expect(intact).toBe(padding.has(at));
      }
    }
  });

  it('should not take a record for another LSN, another journal or another length', () => {
    const buffer = new BatchBuffer(7, 4096);
    buffer.add({ type: 1, payload: new Uint8Array(24) }, 24, 5, 7);
    const { bytes } = buffer.finish(submission);
    const read = decodeBatchHeader(bytes, 0);
    if (read === undefined) throw new Error('not read');
    expect(decodeRecords(bytes, { ...read, firstLsn: 8 }, 5, true)).toContain('checksum of record 8');
    expect(decodeRecords(bytes, read, 6, true)).toContain('checksum of record 7');
    expect(decodeRecords(bytes, { ...read, bodyBytes: read.bodyBytes + 8 }, 5, true)).toContain('records end');
    expect(decodeRecords(bytes.subarray(0, 90), read, 5, true)).toContain('cut short');
  });
});
