import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { FrameError, FrameSplitter, frameBytesMax, frameHeaderBytes, frameOf } from './frames.ts';

/** A frame that holds other frames, compressed with zstd (RFC 8878). */
export const packedKind = 15;

/** Shorter pieces are not worth the work. */
const packedBytesMin = 1_024;

/** Packs whole frames into one, if that makes them shorter; else gives them back. */
export function packFrames(frames: Uint8Array): Uint8Array {
  if (frames.length < packedBytesMin) return frames;
  const packed = zstdCompressSync(frames);
  return packed.length + frameHeaderBytes < frames.length ? frameOf(packedKind, packed) : frames;
}

/** Gives the frames of a packed one to `onFrame`. Throws `FrameError` when it does not hold whole frames, or too much. */
export function unpackFrames(payload: Uint8Array, onFrame: (kind: number, payload: Uint8Array) => void): void {
  let frames: Uint8Array;
  try {
    frames = zstdDecompressSync(payload, { maxOutputLength: frameBytesMax });
  } catch (error) {
    throw new FrameError(`a packed frame cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  const splitter = new FrameSplitter(frameBytesMax);
  splitter.push(frames, (kind, inner) => {
    if (kind === packedKind) throw new FrameError('a packed frame within a packed frame');
    onFrame(kind, inner);
  });
  if (!splitter.isBetween) throw new FrameError('a packed frame ends within a frame');
}
