import { describe, expect, it } from 'vitest';
import { FrameError, FrameSplitter, frameOf } from '../../../src/wire/rpc/frames.ts';

/** Numbers that look random and are the same in every run. */
function draws(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 4_294_967_296) * below);
  };
}

describe('frames between brokers', () => {
  it('come out as they went in, however the stream is cut', () => {
    const below = draws(1);
    for (let round = 0; round < 200; round++) {
      const frames = Array.from({ length: 1 + below(8) }, () => ({
        kind: below(256),
        payload: Uint8Array.from({ length: below(4) === 0 ? below(20_000) : below(40) }, () => below(256)),
      }));
      const stream = Buffer.concat(frames.map(({ kind, payload }) => frameOf(kind, payload)));
      const splitter = new FrameSplitter(65_536);
      const seen: { kind: number; payload: Uint8Array }[] = [];
      for (let at = 0; at < stream.length; ) {
        const piece = stream.subarray(at, at + 1 + below(below(3) === 0 ? 3 : 9_000));
        splitter.push(piece, (kind, payload) => seen.push({ kind, payload: payload.slice() }));
        at += piece.length;
      }
      expect(seen.length).toBe(frames.length);
      for (const [at, { kind, payload }] of seen.entries()) {
        expect(kind).toBe(frames[at]?.kind);
        expect(Buffer.compare(payload, frames[at]?.payload ?? new Uint8Array(1))).toBe(0);
      }
    }
  });

  it('are refused at a length out of range, before anything is kept for them', () => {
    const splitter = new FrameSplitter(1_000);
    const huge = Uint8Array.from([0x7f, 0xff, 0xff, 0xff, 1]);
    expect(() => splitter.push(huge, () => undefined)).toThrow(FrameError);
    expect(() => new FrameSplitter(1_000).push(new Uint8Array(4), () => undefined)).toThrow('a frame of 0 bytes');
  });
});
