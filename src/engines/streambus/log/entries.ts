/**
 * What a partition's log holds. The first byte of an entry is its kind. A batch needs none in front: it begins with its base
 * offset, 64 bits, whose first byte is 0 for every offset below 2^53. So the leader proposes, the journal keeps, the segment
 * holds and the consumer gets the same bytes, and nobody copies them.
 *
 * | kind | entry | rest |
 * |---|---|---|
 * | 0 | batch | a RecordBatch v2, base offset and leader epoch stamped; a marker is a control batch |
 * | 1 | trim | u64 first offset to keep |
 * | 2 | expiry | u32 count, i64 each: producers whose state goes |
 * | 3 | roll | nothing: the next batch begins a segment |
 * | 4 | limits | u32 segment bytes, f64 segment age in ms: how segments roll from here on |
 *
 * Numbers are big-endian, as in the batch.
 */
export type PartitionEntry =
  | { readonly kind: 'batch'; readonly batch: Uint8Array }
  | { readonly kind: 'trim'; readonly start: number }
  | { readonly kind: 'expiry'; readonly producers: readonly number[] }
  | { readonly kind: 'roll' }
  | { readonly kind: 'limits'; readonly segmentBytes: number; readonly segmentAgeMs: number };

const kinds = { batch: 0, trim: 1, expiry: 2, roll: 3, limits: 4 } as const;

/** True for the entry of a batch; false for an empty entry, too. */
export function isBatchEntry(data: Uint8Array): boolean {
  return data.length > 0 && data[0] === kinds.batch;
}

/** First offset that remains. */
export function encodeTrim(start: number): Uint8Array {
  const bytes = new Uint8Array(9);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, kinds.trim);
  view.setBigUint64(1, BigInt(start));
  return bytes;
}

/** Producers whose state goes, in this order. */
export function encodeExpiry(producers: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(5 + 8 * producers.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, kinds.expiry);
  view.setUint32(1, producers.length);
  producers.forEach((producer, n) => {
    view.setBigInt64(5 + 8 * n, BigInt(producer));
  });
  return bytes;
}

export function encodeRoll(): Uint8Array {
  return Uint8Array.of(kinds.roll);
}

export function encodeLimits(segmentBytes: number, segmentAgeMs: number): Uint8Array {
  const bytes = new Uint8Array(13);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, kinds.limits);
  view.setUint32(1, segmentBytes);
  view.setFloat64(5, segmentAgeMs);
  return bytes;
}

/** Decodes a committed entry that is not empty. Throws on a kind or a length that this version does not know: a defect. */
export function decodeEntry(data: Uint8Array): PartitionEntry {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  switch (data[0]) {
    case kinds.batch:
      return { kind: 'batch', batch: data };
    case kinds.trim:
      expectLength(data, 9);
      return { kind: 'trim', start: Number(view.getBigUint64(1)) };
    case kinds.expiry: {
      if (data.length < 5) throw new Error(`partition entry: an expiry has 5 bytes at least, got ${data.length}`);
      const count = view.getUint32(1);
      expectLength(data, 5 + 8 * count);
      return {
        kind: 'expiry',
        producers: Array.from({ length: count }, (_, n) => Number(view.getBigInt64(5 + 8 * n))),
      };
    }
    case kinds.roll:
      expectLength(data, 1);
      return { kind: 'roll' };
    case kinds.limits:
      expectLength(data, 13);
      return { kind: 'limits', segmentBytes: view.getUint32(1), segmentAgeMs: view.getFloat64(5) };
    default:
      throw new Error(`partition entry: expected a kind of 0 to 4, got ${data[0]}: written by a newer version`);
  }
}

function expectLength(data: Uint8Array, bytes: number): void {
  if (data.length !== bytes)
    throw new Error(`partition entry of kind ${data[0]}: expected ${bytes} bytes, got ${data.length}`);
}
