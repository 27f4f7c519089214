import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { prepareEpoch } from '../../../src/engines/stemedb/content.ts';
import { RecordCache } from '../../../src/engines/stemedb/recordCache.ts';
import { encodePayload } from '../../../src/engines/stemedb/records.ts';

/** A record whose text says its LSN, of about `bytes` bytes. */
function recordOf(lsn: number, bytes: number) {
  const record = prepareEpoch({ name: `${lsn}-${'x'.repeat(bytes)}`, timestamp: lsn });
  return { type: record.type, content: record.canonical, signatures: '', payload: encodePayload(record) };
}

const step = fc.record({
  kind: fc.constantFrom<'put' | 'get' | 'clear'>('put', 'put', 'put', 'get', 'get', 'get', 'clear'),
  lsn: fc.integer({ min: 1, max: 40 }),
});

describe('the record cache', () => {
  it('gives what was put under an LSN or nothing, and never holds more than its capacity', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 6_000 }), fc.array(step, { maxLength: 200 }), (capacity, steps) => {
        const cache = new RecordCache(capacity);
        const model = new Map<number, string>();
        for (const { kind, lsn } of steps) {
          if (kind === 'clear') {
            cache.clear();
            model.clear();
          } else if (kind === 'put') {
            const record = recordOf(lsn, lsn * 7);
            cache.put(lsn, record.type, record.payload);
            model.set(lsn, record.content);
          } else {
            const found = cache.get(lsn);
            if (found !== undefined) expect(found.content).toBe(model.get(lsn));
          }
          expect(cache.bytes).toBeLessThanOrEqual(capacity);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('keeps everything while there is room', () => {
    const cache = new RecordCache(1_000_000);
    for (let lsn = 1; lsn <= 500; lsn++) cache.put(lsn, 3, recordOf(lsn, 50).payload);
    for (let lsn = 1; lsn <= 500; lsn++) expect(cache.get(lsn)?.content).toBe(recordOf(lsn, 50).content);
  });

  it('keeps the newest records, and those that are read, when it is full', () => {
    const cache = new RecordCache(64 * 1024);
    for (let lsn = 1; lsn <= 2_000; lsn++) {
      cache.put(lsn, 3, recordOf(lsn, 100).payload);
      cache.get(1);
    }
    expect(cache.get(1)).toBeDefined();
    expect(cache.get(2_000)).toBeDefined();
    expect(cache.get(2)).toBeUndefined();
  });

  it('keeps none that is larger than itself', () => {
    const cache = new RecordCache(1_000);
    cache.put(1, 3, recordOf(1, 2_000).payload);
    expect(cache.get(1)).toBeUndefined();
    expect(cache.bytes).toBeLessThan(100);
  });
});
