import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  batchBytesAt,
  batchDefect,
  batchHeaderBytes,
  codecOf,
  isControl,
  isTransactional,
  readBatchHeader,
  sealBatch,
  stampAppendTime,
  stampBatch,
} from '../../../src/wire/kafka/recordBatch.ts';
import {
  buildBatch,
  buildMarker,
  type RecordInput,
  readMarker,
  readRecords,
  recordsDefect,
} from '../../../src/wire/kafka/records.ts';

const require = createRequire(import.meta.url);

const field = fc.option(fc.uint8Array({ maxLength: 300 }));
const record: fc.Arbitrary<RecordInput> = fc.record({
  timestamp: fc.integer({ min: 0, max: 4_102_444_800_000 }),
  key: field,
  value: field,
  headers: fc.array(
    fc.record({ key: fc.string({ unit: 'grapheme', maxLength: 8 }).filter((key) => key.isWellFormed()), value: field }),
    { maxLength: 3 },
  ),
});
const records = fc.array(record, { minLength: 1, maxLength: 20 });

function batch(): Uint8Array {
  return buildBatch(
    [1, 2, 3].map((n) => ({ timestamp: 1_700_000_000_000 + n, key: null, value: new Uint8Array(10 * n).fill(n) })),
    { producerId: 77, producerEpoch: 2, baseSequence: 10 },
  );
}

describe('record batch', () => {
  it('should give back the records it was built from', () => {
    fc.assert(
      fc.property(records, (given) => {
        const bytes = buildBatch(given, { baseOffset: 1000 });
        expect(batchDefect(bytes)).toBeUndefined();
        expect(recordsDefect(bytes)).toBeUndefined();
        expect(readRecords(bytes)).toEqual(given.map((one, n) => ({ ...one, offset: 1000 + n })));
      }),
    );
  });

  it('should be, byte for byte, the batch that kafkajs builds', async () => {
    const produce = require('kafkajs/src/protocol/requests/produce/v7/request.js');
    const Long = require('kafkajs/src/utils/long.js');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ maxLength: 200 }), { minLength: 1, maxLength: 9 }), async (values) => {
        const timestamp = 1_700_000_000_000;
        const request = produce({
          acks: -1,
          timeout: 1000,
          producerId: Long.fromNumber(123_456_789_012),
          producerEpoch: 3,
          topicData: [
            {
              topic: 't',
              partitions: [
                {
                  partition: 0,
                  firstSequence: 42,
                  messages: values.map((value, n) => ({ key: `k${n}`, value, timestamp, headers: { h: value } })),
                },
              ],
            },
          ],
        });
        const { buffer } = await request.encode();
        const start = buffer.indexOf('t', 0) + 1 + 4 + 4 + 4;
        const theirs = new Uint8Array(buffer.subarray(start));
        const text = new TextEncoder();
        const ours = buildBatch(
          values.map((value, n) => ({
            timestamp,
            key: text.encode(`k${n}`),
            value: text.encode(value),
            headers: [{ key: 'h', value: text.encode(value) }],
          })),
          { leaderEpoch: 0, producerId: 123_456_789_012, producerEpoch: 3, baseSequence: 42 },
        );
        expect(Buffer.from(ours).toString('hex')).toBe(Buffer.from(theirs).toString('hex'));
      }),
      { numRuns: 50 },
    );
  });

  it('should keep its CRC when the leader stamps it', () => {
    const bytes = batch();
    stampBatch(bytes, 9_007_199_254_740_000, 41);
    expect(batchDefect(bytes)).toBeUndefined();
    expect(readBatchHeader(bytes)).toMatchObject({
      baseOffset: 9_007_199_254_740_000,
      partitionLeaderEpoch: 41,
      producerId: 77,
      producerEpoch: 2,
      baseSequence: 10,
      recordCount: 3,
      lastOffsetDelta: 2,
      baseTimestamp: 1_700_000_000_001,
      maxTimestamp: 1_700_000_000_003,
    });
    expect(batchBytesAt(bytes)).toBe(bytes.length);
  });

  it('should show the time of appending for every record when the leader stamps it', () => {
    const bytes = batch();
    stampAppendTime(bytes, 1_800_000_000_000);
    expect(batchDefect(bytes)).toBeUndefined();
    expect(readRecords(bytes).map((one) => one.timestamp)).toEqual(Array(3).fill(1_800_000_000_000));
  });

  it.each([
    ['a short batch', 87, (bytes: Uint8Array) => bytes.subarray(0, batchHeaderBytes - 1)],
    ['a cut batch', 87, (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 1)],
    ['two batches', 87, (bytes: Uint8Array) => Buffer.concat([bytes, bytes])],
    ['magic 1', 87, (bytes: Uint8Array) => bytes.with(16, 1)],
    ['a flipped bit', 2, (bytes: Uint8Array) => bytes.with(70, (bytes[70] ?? 0) ^ 1)],
    ['an unknown compression', 76, (bytes: Uint8Array) => sealed(bytes.with(22, 5))],
    ['an unknown attribute', 87, (bytes: Uint8Array) => sealed(bytes.with(21, 1))],
    ['a wrong count', 87, (bytes: Uint8Array) => sealed(bytes.with(60, 4))],
    ['a count of none', 87, (bytes: Uint8Array) => sealed(bytes.with(60, 0))],
    ['a wrong last offset delta', 87, (bytes: Uint8Array) => sealed(bytes.with(26, 5))],
  ])('should refuse %s with %i', (_, errorCode, damage) => {
    expect(batchDefect(damage(batch()))?.errorCode).toBe(errorCode);
  });

  it('should find records that are not what the header says', () => {
    const length = batch().length;
    for (let at = batchHeaderBytes; at < batchHeaderBytes + 6; at++) {
      const bytes = sealed(batch().with(at, 0x55));
      expect(batchDefect(bytes)).toBeUndefined();
      // The attributes of a record (one byte after its length) and its time may be anything.
      const isFree = at === batchHeaderBytes + 1 || at === batchHeaderBytes + 2;
      expect(recordsDefect(bytes) === undefined, `byte ${at} of ${length}`).toBe(isFree);
    }
  });

  it('should meet damaged records with a defect, never with another error', () => {
    fc.assert(
      fc.property(records, fc.nat(), fc.nat({ max: 255 }), (given, at, value) => {
        const bytes = buildBatch(given);
        bytes[batchHeaderBytes + (at % (bytes.length - batchHeaderBytes))] = value;
        expect(['string', 'undefined']).toContain(typeof recordsDefect(bytes));
      }),
      { numRuns: 500 },
    );
  });

  it('should carry the end of a transaction', () => {
    for (const commit of [true, false]) {
      const marker = { producerId: 5, producerEpoch: 9, commit, coordinatorEpoch: 33 };
      const bytes = buildMarker(marker, 1_700_000_000_000);
      const header = readBatchHeader(bytes);
      expect(batchDefect(bytes)).toBeUndefined();
      expect([isControl(header), isTransactional(header), codecOf(header)]).toEqual([true, true, 'none']);
      expect(readMarker(bytes)).toEqual(marker);
    }
  });
});

function sealed(bytes: Uint8Array): Uint8Array {
  sealBatch(bytes);
  return bytes;
}
