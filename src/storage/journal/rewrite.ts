import type { DiskFile } from '../../host/disk.ts';
import { type Context, closeQuietly, readPatiently } from './context.ts';

const chunkBytes = 1_048_576;
let zeroChunk: Uint8Array | undefined;

/** A stretch of a segment: bytes at an offset, or the same range of the source. */
export type Piece =
  | { readonly offset: number; readonly bytes: Uint8Array }
  | { readonly offset: number; readonly end: number };

/** Fills a range with zeros, a chunk at a time. */
export async function writeZeros(file: DiskFile, from: number, to: number): Promise<void> {
  if (to <= from) return;
  zeroChunk ??= new Uint8Array(chunkBytes);
  const zeros = zeroChunk;
  for (let at = from; at < to; at += chunkBytes) {
    const length = Math.min(chunkBytes, to - at);
    await file.write(at, [length === zeros.length ? zeros : zeros.subarray(0, length)], { durable: false });
  }
}

/**
 * Makes a segment's content durable, whatever was only cached of it: the pieces (by offset) go into the spare, zeros
 * everywhere else; sync, rename over the segment, syncDirectory. Every byte of the spare is written, so what it held before
 * does not matter. A crash at any step leaves the old or the new file. `check` sees the finished spare before it gets its
 * name. `source` may be undefined when every piece brings its bytes.
 */
export async function rewriteSegment(
  context: Context,
  o: {
    readonly source: string | undefined;
    readonly target: string;
    readonly totalBytes: number;
    readonly pieces: readonly Piece[];
    readonly check?: (path: string) => Promise<void>;
  },
): Promise<void> {
  const { disk } = context.host;
  const { directory } = context.settings;
  const spare = `${directory}/spare.wal`;
  const inPlace = context.mutants.has('rewrite-in-place') && o.source !== undefined;
  const source = o.source === undefined ? undefined : await disk.open(o.source, { mode: 'read' });
  const target = await disk.open(inPlace ? o.target : spare, { mode: inPlace ? 'write' : 'create' });
  try {
    let at = 0;
    const pieces = inPlace && source !== undefined ? await emptied(context, source, target, o.pieces) : o.pieces;
    for (const piece of pieces) {
      if (piece.offset < at)
        throw new Error(`a piece begins at ${piece.offset}, inside the one before, which ends at ${at}`);
      await writeZeros(target, at, piece.offset);
      if ('bytes' in piece) {
        await target.write(piece.offset, [piece.bytes], { durable: false });
        at = piece.offset + piece.bytes.length;
      } else {
        if (source === undefined) throw new Error('a range needs a source');
        await copyRange(context, source, target, piece.offset, piece.end);
        at = piece.end;
      }
    }
    await writeZeros(target, at, o.totalBytes);
    await target.truncate(o.totalBytes);
    await target.sync();
  } finally {
    await closeQuietly(source);
    await closeQuietly(target);
  }
  await o.check?.(inPlace ? o.target : spare);
  if (inPlace) return;
  await disk.rename(spare, o.target);
  await disk.syncDirectory(directory);
}

/** The planted bug opens the segment the way many programs rewrite a file: empty first, then written again. */
async function emptied(
  context: Context,
  source: DiskFile,
  target: DiskFile,
  pieces: readonly Piece[],
): Promise<readonly Piece[]> {
  const held: Piece[] = [];
  for (const piece of pieces) {
    const bytes = 'bytes' in piece ? piece.bytes : new Uint8Array(piece.end - piece.offset);
    if (!('bytes' in piece)) await readPatiently(context.host, source, piece.offset, bytes);
    held.push({ offset: piece.offset, bytes });
  }
  await target.truncate(0);
  return held;
}

async function copyRange(
  context: Context,
  source: DiskFile,
  target: DiskFile,
  from: number,
  end: number,
): Promise<void> {
  for (let at = from; at < end; at += chunkBytes) {
    const chunk = new Uint8Array(Math.min(chunkBytes, end - at));
    await readPatiently(context.host, source, at, chunk);
    await target.write(at, [chunk], { durable: false });
  }
}
