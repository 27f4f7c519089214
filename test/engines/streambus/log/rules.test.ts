import { describe, expect, it } from 'vitest';
import { checkBatch, isRefusal } from '../../../../src/engines/streambus/log/batchRules.ts';
import { defaultLogConfig, settingsOf } from '../../../../src/engines/streambus/log/settings.ts';
import { sealBatch } from '../../../../src/wire/kafka/recordBatch.ts';
import { batchOf, testTime } from './rig.ts';

const wallMs = testTime + 60_000;
const day = 86_400_000;

interface Given {
  readonly records?: Uint8Array;
  readonly version?: number;
  readonly transactional?: boolean;
  readonly configs?: Readonly<Record<string, string>>;
}

/** 0, or the number of the refusal. */
function codeOf({ records = batchOf(['a', 'b']), version = 9, transactional = false, configs = {} }: Given): number {
  const settings = settingsOf(defaultLogConfig, new Map(Object.entries(configs)));
  const checked = checkBatch(records, version, transactional, settings, wallMs);
  return isRefusal(checked) ? checked.errorCode : 0;
}

/** A sound batch with some bytes changed, signed anew. */
function altered(change: (bytes: Uint8Array, view: DataView) => void, sign = true): Uint8Array {
  const bytes = batchOf(['first', 'second']);
  change(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  if (sign) sealBatch(bytes);
  return bytes;
}

describe('what a producer may append', () => {
  it.each<[string, number, Given]>([
    ['a sound batch', 0, {}],
    ['nothing', 87, { records: new Uint8Array(0) }],
    ['less than a header', 87, { records: batchOf(['a']).slice(0, 60) }],
    ['an older format', 87, { records: altered((bytes) => bytes.fill(1, 16, 17)) }],
    ['a cut batch', 87, { records: batchOf(['a', 'b']).slice(0, -1) }],
    ['bytes behind the batch', 87, { records: Buffer.concat([batchOf(['a']), new Uint8Array(3)]) }],
    ['two batches', 87, { records: Buffer.concat([batchOf(['a']), batchOf(['b'])]) }],
    ['a wrong CRC', 2, { records: altered((bytes) => bytes.fill(9, 70, 71), false) }],
    ['no records', 87, { records: altered((_, view) => view.setInt32(57, 0)) }],
    ['a count that is not the last delta plus one', 87, { records: altered((_, view) => view.setInt32(57, 3)) }],
    ['a last delta below the count', 87, { records: altered((_, view) => view.setInt32(23, 0)) }],
    [
      'a control batch',
      87,
      { records: batchOf(['a'], { isControl: true, producerId: 1, producerEpoch: 0, baseSequence: 0 }) },
    ],
    ['codec 5', 76, { records: altered((_, view) => view.setInt16(21, 5)) }],
    ['codec 7', 76, { records: altered((_, view) => view.setInt16(21, 7)) }],
    ['zstd in an old request', 76, { records: altered((_, view) => view.setInt16(21, 4)), version: 6 }],
    ['zstd', 0, { records: altered((_, view) => view.setInt16(21, 4)), version: 7 }],
    [
      'gzip, whose records nobody opens',
      0,
      {
        records: altered((bytes, view) => {
          view.setInt16(21, 1);
          bytes.fill(7, 61);
        }),
      },
    ],
    ['LogAppendTime by the producer', 32, { records: altered((_, view) => view.setInt16(21, 8)) }],
    ['a time a day ahead', 32, { records: batchOf(['a'], { timestamp: wallMs + day }) }],
    [
      'a time a day ahead where the topic allows it',
      0,
      {
        records: batchOf(['a'], { timestamp: wallMs + day }),
        configs: { 'message.timestamp.after.max.ms': `${2 * day}` },
      },
    ],
    [
      'a time a day ago where the topic does not',
      32,
      { records: batchOf(['a'], { timestamp: wallMs - day }), configs: { 'message.timestamp.before.max.ms': '1000' } },
    ],
    [
      'any time when the leader stamps it',
      0,
      { records: batchOf(['a'], { timestamp: wallMs + day }), configs: { 'message.timestamp.type': 'LogAppendTime' } },
    ],
    ['more bytes than the topic takes', 10, { configs: { 'max.message.bytes': '70' } }],
    ['a producer without a sequence', 87, { records: batchOf(['a'], { producerId: 4, producerEpoch: 0 }) }],
    ['no producer, with an epoch of 0', 0, { records: batchOf(['a'], { producerEpoch: 0, baseSequence: 0 }) }],
    [
      'a transaction in a request without its id',
      87,
      { records: batchOf(['a'], { producerId: 4, producerEpoch: 0, baseSequence: 0, isTransactional: true }) },
    ],
    [
      'a transaction',
      0,
      {
        records: batchOf(['a'], { producerId: 4, producerEpoch: 0, baseSequence: 0, isTransactional: true }),
        transactional: true,
      },
    ],
    [
      'a transaction without a producer',
      87,
      { records: batchOf(['a'], { isTransactional: true }), transactional: true },
    ],
    ['a record without a key in a compacted topic', 87, { configs: { 'cleanup.policy': 'compact,delete' } }],
    ['a record that reaches past the batch', 87, { records: altered((bytes) => bytes.fill(120, 61, 62)) }],
    ['a record that ends early', 87, { records: altered((bytes) => bytes.fill(4, 61, 62)) }],
    ['an offset delta out of order', 87, { records: altered((bytes) => bytes.fill(6, 64, 65)) }],
  ])('%s: %i', (_, expected, given) => {
    expect(codeOf(given)).toBe(expected);
  });
});
