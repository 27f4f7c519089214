import { DiskError } from '../../../host/disk.ts';
import type { Host } from '../../../host/host.ts';
import { makeDirectoryDurably, replaceFile } from '../../../storage/atomicFile.ts';
import { crc32c } from '../../../wire/crc32c.ts';
import type { GroupId } from '../ids.ts';

const headerBytes = 12;
/** `SBSN`, version 1. */
const MAGIC = 0x53_42_53_4e;
const VERSION = 1;

/** A snapshot file is missing or damaged. */
export class SnapshotLost extends Error {
  override readonly name = 'SnapshotLost';
}

/** The states of small machines: `<group>-<index>-<term>.snap`, whole or not there. */
export class SnapshotFiles {
  readonly #host: Host;
  readonly #directory: string;

  constructor(host: Host, directory: string) {
    this.#host = host;
    this.#directory = directory;
  }

  async open(): Promise<void> {
    await makeDirectoryDurably(this.#host.disk, this.#directory);
  }

  /** Durable when it resolves. */
  async write(group: GroupId, index: number, term: number, data: Uint8Array): Promise<void> {
    const header = new Uint8Array(headerBytes);
    const view = new DataView(header.buffer);
    view.setUint32(0, MAGIC);
    view.setUint32(4, VERSION);
    view.setUint32(8, crc32c(data));
    await replaceFile(this.#host.disk, this.#path(group, index, term), [header, data]);
  }

  /** Rejects with `SnapshotLost`. */
  async read(group: GroupId, index: number, term: number): Promise<Uint8Array> {
    const path = this.#path(group, index, term);
    const bytes = await this.#bytesOf(path);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const isOurs = bytes.length >= headerBytes && view.getUint32(0) === MAGIC && view.getUint32(4) === VERSION;
    const data = bytes.subarray(headerBytes);
    if (!isOurs || view.getUint32(8) !== crc32c(data)) throw new SnapshotLost(`${path} is damaged`);
    return data;
  }

  /** Removes the files of a group but that of this index; all of them without one. */
  async removeOthers(group: GroupId, keep: number | undefined): Promise<void> {
    for (const { name } of await this.#host.disk.list(this.#directory)) {
      const [, of, index] = /^(\d+)-(\d+)-\d+\.snap(?:\.tmp)?$/.exec(name) ?? [];
      if (Number(of) !== group || (keep !== undefined && Number(index) >= keep)) continue;
      await this.#host.disk.remove(`${this.#directory}/${name}`).catch((error: unknown) => {
        if (!(error instanceof DiskError) || error.code !== 'ENOENT') throw error;
      });
    }
  }

  #path(group: GroupId, index: number, term: number): string {
    return `${this.#directory}/${group}-${index}-${term}.snap`;
  }

  async #bytesOf(path: string): Promise<Uint8Array> {
    try {
      const file = await this.#host.disk.open(path, { mode: 'read' });
      try {
        const bytes = new Uint8Array(await file.size());
        const got = await file.read(0, bytes);
        return bytes.subarray(0, got);
      } finally {
        await file.close();
      }
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      throw new SnapshotLost(`${path} cannot be read: ${error.message}`);
    }
  }
}
