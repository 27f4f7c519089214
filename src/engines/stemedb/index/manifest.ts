import { z } from 'zod';
import { type Disk, DiskError } from '../../../host/disk.ts';
import { replaceFile } from '../../../storage/atomicFile.ts';
import type { PartInfo } from './parts.ts';

const NAME = 'MANIFEST';
const row = z.int().min(0);

const schema = z.strictObject({
  version: z.literal(1),
  journal: z.string().regex(/^[0-9a-f]{32}$/),
  parts: z.array(
    z.strictObject({
      file: z.string().regex(/^part-[0-9a-f]{16}-[0-9a-f]{16}\.idx$/),
      first: row,
      last: row,
      level: row,
      bytes: row,
      names: row,
      agents: row,
    }),
  ),
});

/** Which parts make up the index on disk, and of which journal they are. */
export interface Manifest {
  readonly journal: string;
  /** By row, without gap from row 1. */
  readonly parts: readonly PartInfo[];
}

/** The manifest of a directory; `damaged` when there is one that cannot be read. */
export async function readManifest(disk: Disk, directory: string): Promise<Manifest | 'missing' | 'damaged'> {
  let bytes: Buffer;
  try {
    const file = await disk.open(`${directory}/${NAME}`, { mode: 'read' });
    try {
      bytes = Buffer.alloc(await file.size());
      await file.read(0, bytes);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    return error.code === 'ENOENT' || error.code === 'ENOTDIR' ? 'missing' : 'damaged';
  }
  try {
    const parsed = schema.safeParse(JSON.parse(bytes.toString('utf8')));
    return parsed.success && isGapless(parsed.data.parts) ? parsed.data : 'damaged';
  } catch {
    return 'damaged';
  }
}

function isGapless(parts: readonly PartInfo[]): boolean {
  return parts.every(({ first, last }, i) => first === (parts[i - 1]?.last ?? 0) + 1 && last >= first);
}

/** Replaces the manifest: after a crash at any moment there is the old one or the new one. */
export async function writeManifest(disk: Disk, directory: string, manifest: Manifest): Promise<void> {
  const bytes = Buffer.from(`${JSON.stringify({ version: 1, ...manifest }, undefined, 1)}\n`);
  await replaceFile(disk, `${directory}/${NAME}`, [bytes]);
}
