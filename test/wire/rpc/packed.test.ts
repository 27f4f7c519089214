import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameError, frameOf } from '../../../src/wire/rpc/frames.ts';
import { packedKind, packFrames, unpackFrames } from '../../../src/wire/rpc/packed.ts';

const frameArbitrary = fc.record({
  kind: fc.integer({ min: 16, max: 255 }),
  payload: fc.oneof(
    fc.uint8Array({ maxLength: 2_000 }),
    fc.nat(20_000).map((length) => new Uint8Array(length).fill(7)),
  ),
});

test('frames come out as they went in, and never longer', () => {
  fc.assert(
    fc.property(fc.array(frameArbitrary, { minLength: 1, maxLength: 8 }), (frames) => {
      const plain = Buffer.concat(frames.map(({ kind, payload }) => frameOf(kind, payload)));
      const packed = packFrames(plain);
      expect(packed.length).toBeLessThanOrEqual(plain.length);
      if (packed === plain) return;
      expect(packed[4]).toBe(packedKind);
      const out: { kind: number; payload: Uint8Array }[] = [];
      unpackFrames(packed.subarray(5), (kind, payload) => out.push({ kind, payload: new Uint8Array(payload) }));
      expect(out).toEqual(frames.map(({ kind, payload }) => ({ kind, payload: new Uint8Array(payload) })));
    }),
  );
  const zeros = frameOf(32, new Uint8Array(100_000));
  expect(packFrames(zeros).length).toBeLessThan(200);
});

test('what is no packed frame is refused', () => {
  const packed = packFrames(frameOf(32, new Uint8Array(10_000))).subarray(5);
  const unpack = (payload: Uint8Array) => () => unpackFrames(payload, () => undefined);
  expect(unpack(new Uint8Array(50))).toThrow(FrameError);
  expect(unpack(packed.subarray(0, packed.length - 3))).toThrow(FrameError);
  const nested = packFrames(frameOf(packedKind, new Uint8Array(10_000))).subarray(5);
  expect(unpack(nested)).toThrow(/within a packed frame/);
  const cut = packFrames(frameOf(32, new Uint8Array(10_000)).subarray(0, 9_000)).subarray(5);
  expect(unpack(cut)).toThrow(/ends within a frame/);
});
