import type { Disk } from '../../../host/disk.ts';
import type { TlsOptions } from '../../../host/network.ts';

/** Files of a listener's certificate, PEM. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** Authorities whose certificates clients must have. */
  readonly client_ca?: string | undefined;
}

/** Reads the certificates of a listener. Rejects with `DiskError`, which names the path. */
export async function readTls(disk: Disk, files: TlsFiles): Promise<TlsOptions> {
  const [certificate, key, authorities] = await Promise.all([
    readText(disk, files.cert),
    readText(disk, files.key),
    files.client_ca === undefined ? undefined : readText(disk, files.client_ca),
  ]);
  return { certificate, key, ...(authorities === undefined ? {} : { authorities }) };
}

async function readText(disk: Disk, path: string): Promise<string> {
  const file = await disk.open(path, { mode: 'read' });
  try {
    const bytes = new Uint8Array(await file.size());
    const length = await file.read(0, bytes);
    return new TextDecoder().decode(bytes.subarray(0, length));
  } finally {
    await file.close();
  }
}
