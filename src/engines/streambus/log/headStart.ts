import { DiskError } from '../../../host/disk.ts';
import type { Host } from '../../../host/host.ts';
import { filePath, parseFileName } from './paths.ts';
import { BadRun, VerifiedRun } from './verifiedRun.ts';

/** What of a segment lies on this disk beyond what the checkpoint names: intact batches from its beginning on. */
export interface HeadStart {
  readonly base: number;
  readonly bytes: number;
  /** Offset after its last batch. */
  readonly next: number;
}

const readBytes = 1024 * 1024;

/** Where a segment's known part ends: what precedes it is not read again. */
export type KnownPart = (base: number) => { readonly bytes: number; readonly next: number } | undefined;

/**
 * Looks through the segments of a directory, batch by batch. Only committed batches are ever written, so whatever is intact is a
 * part of the log, and need not be fetched again.
 */
export async function findHeadStart(host: Host, directory: string, known: KnownPart): Promise<HeadStart[]> {
  const found: HeadStart[] = [];
  for (const { name } of await host.disk.list(directory)) {
    const parsed = parseFileName(name);
    if (parsed?.kind === 'seg') found.push(await intactPart(host, directory, parsed.offset, known(parsed.offset)));
  }
  return found;
}

async function intactPart(
  host: Host,
  directory: string,
  base: number,
  known: { readonly bytes: number; readonly next: number } | undefined,
): Promise<HeadStart> {
  let bytes = known?.bytes ?? 0;
  const run = new VerifiedRun(known?.next ?? base);
  let position = bytes;
  try {
    const file = await host.disk.open(filePath(directory, base, 'seg'), { mode: 'read' });
    try {
      for (;;) {
        const buffer = new Uint8Array(readBytes);
        const read = await file.read(position, buffer);
        if (read === 0) break;
        position += read;
        bytes += run.take(buffer.subarray(0, read), () => undefined).length;
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!(error instanceof BadRun) && !(error instanceof DiskError)) throw error;
    host.telemetry.logger.info('a segment is intact up to here', { directory, base, bytes, why: error.message });
  }
  return { base, bytes, next: run.next };
}
