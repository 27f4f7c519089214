import { DiskError } from '../../../host/disk.ts';
import type { PartitionCore } from './core.ts';
import { filePath } from './paths.ts';
import { decodeSegmentRequest, encodeSegmentAnswer, type SegmentAnswer, type SegmentRequest } from './peerMessages.ts';

/** Bytes of one answer, at most: what another broker asks is not trusted. */
export const frameBytesMax = 1024 * 1024;

/** Answers another replica that catches up or repairs: any replica can, segments are the same everywhere. */
export async function answerSegmentRequest(core: PartitionCore, request: Uint8Array): Promise<Uint8Array> {
  return encodeSegmentAnswer(await readFrame(core, decodeSegmentRequest(request)));
}

async function readFrame(core: PartitionCore, request: SegmentRequest): Promise<SegmentAnswer> {
  const find = () => core.state.segments.all.find((segment) => segment.base === request.base);
  const asked = find();
  if (asked === undefined) return { kind: request.base < core.state.start ? 'gone' : 'short' };
  if (request.position >= core.writer.writtenBytes(asked)) {
    // A disk without room may have none for long: the others are asked meanwhile.
    if (core.writer.stalled !== undefined) return { kind: 'short' };
    await core.writer.flush(core.work.signal);
  }
  // It may have been trimmed meanwhile.
  const segment = find();
  if (segment === undefined) return { kind: 'gone' };
  const end = Math.min(core.writer.writtenBytes(segment), request.position + Math.min(request.length, frameBytesMax));
  if (end <= request.position) return { kind: 'short' };
  const isDamaged = core.damage.all.some(
    (range) => range.base === segment.base && range.from < end && request.position < range.to,
  );
  if (isDamaged) return { kind: 'unreadable' };
  const bytes = new Uint8Array(end - request.position);
  try {
    const read = await core.hooks.shared.files.use(filePath(core.directory, segment.base, 'seg'), 'write', (file) =>
      file.read(request.position, bytes),
    );
    return read < bytes.length ? { kind: 'unreadable' } : { kind: 'bytes', bytes };
  } catch (error) {
    if (error instanceof DiskError) return { kind: 'unreadable' };
    throw error;
  }
}
