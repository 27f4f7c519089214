import { DiskError } from '../../../host/disk.ts';
import type { Host } from '../../../host/host.ts';
import { makeDirectoryDurably } from '../../../storage/atomicFile.ts';
import type { Journal } from '../../../storage/journal/index.ts';
import { isRecordType } from '../records.ts';
import type { ClaimIndex } from './claimIndex.ts';
import { fieldsOfPayload } from './fold.ts';
import { type Manifest, writeManifest } from './manifest.ts';
import { loadPart, PartError, type PartInfo, type PartRange, partFile, writePart } from './parts.ts';

/** So many parts of one level are merged into one of the next. */
const MERGE_PARTS = 8;

/** What the keeper needs. */
export interface KeeperOptions {
  readonly host: Host;
  readonly journal: Journal;
  readonly index: ClaimIndex;
  readonly directory: string;
  /** Awaited before each write of a part, with its bytes. */
  readonly beforeWrite: (bytes: number) => Promise<void>;
  /** Told of a part that could not be used. */
  readonly onBadPart: (error: PartError) => void;
}

/** Keeps the index on disk: loads it at the start, writes what is new as parts, merges them. */
export class IndexKeeper {
  readonly #options: KeeperOptions;
  #parts: PartInfo[] = [];
  /** The last of the snapshots that were asked for: they run one after the other. */
  #writing: Promise<void> = Promise.resolve();
  #asked = 0;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Last row that is in a part. */
  get lastRow(): number {
    return this.#parts.at(-1)?.last ?? 0;
  }

  /** True while a snapshot is written, or waits for its turn or its budget. */
  get isWriting(): boolean {
    return this.#asked > 0;
  }

  get parts(): readonly PartInfo[] {
    return this.#parts;
  }

  /**
   * Brings the index up to everything durable: from the parts of the manifest, and from the log what they do not give.
   * Returns how many records were folded from the log, and the bytes of their payloads.
   */
  async load(manifest: Manifest | undefined): Promise<{ readonly folded: number; readonly bytes: number }> {
    const { host, journal, index, directory } = this.#options;
    await makeDirectoryDurably(host.disk, directory);
    let total = { folded: 0, bytes: 0 };
    let intact = true;
    for (const part of manifest?.parts ?? []) {
      try {
        await loadPart(host.disk, directory, journal.id, part, index);
        if (intact) this.#parts.push(part);
      } catch (error) {
        if (!(error instanceof PartError)) throw error;
        // Parts from here on are written anew by the next snapshot; those behind it are still read.
        intact = false;
        this.#options.onBadPart(error);
        host.telemetry.sometimes('part re-folded', true);
        total = sum(total, await this.#foldLog(index.rows + 1, part.last));
      }
    }
    total = sum(total, await this.#foldLog(index.rows + 1, journal.durableLsn));
    await this.#removeStrays();
    return total;
  }

  /**
   * Writes the rows since the last part as a new one, and merges. Returns the last row that is on disk. Calls follow one
   * another.
   *
   * @throws DiskError when the disk fails; the parts before are untouched
   */
  async snapshot(): Promise<number> {
    const run = this.#writing.then(() => this.#write());
    this.#writing = run.catch(() => undefined);
    this.#asked++;
    try {
      await run;
    } finally {
      this.#asked--;
    }
    return this.lastRow;
  }

  async #write(): Promise<void> {
    const { index } = this.#options;
    if (index.rows === this.lastRow) return;
    const before = this.#parts.at(-1);
    const range: PartRange = {
      first: this.lastRow + 1,
      last: index.rows,
      namesBefore: before?.names ?? 0,
      names: index.names.size,
      agentsBefore: before?.agents ?? 0,
      agents: index.agents.size,
    };
    await this.#replace([], range, 0);
    for (let group = this.#mergeable(); group !== undefined; group = this.#mergeable()) await this.#merge(group);
  }

  /** The last parts, if there are enough of one level. */
  #mergeable(): readonly PartInfo[] | undefined {
    const group = this.#parts.slice(-MERGE_PARTS);
    const level = group[0]?.level;
    return group.length === MERGE_PARTS && group.every((part) => part.level === level) ? group : undefined;
  }

  async #merge(group: readonly PartInfo[]): Promise<void> {
    const first = group[0];
    const last = group.at(-1);
    if (first === undefined || last === undefined) throw new Error('merge of no parts');
    const before = this.#parts.at(-group.length - 1);
    const range: PartRange = {
      first: first.first,
      last: last.last,
      namesBefore: before?.names ?? 0,
      names: last.names,
      agentsBefore: before?.agents ?? 0,
      agents: last.agents,
    };
    await this.#replace(group, range, first.level + 1);
  }

  /** Writes a part in the place of the last `old.length` ones. */
  async #replace(old: readonly PartInfo[], range: PartRange, level: number): Promise<void> {
    const { host, journal, index, directory, beforeWrite } = this.#options;
    const bytes = await writePart(host.disk, directory, journal.id, index, range, beforeWrite);
    const { first, last, names, agents } = range;
    const part: PartInfo = { file: partFile(first, last), first, last, level, bytes, names, agents };
    const parts = [...this.#parts.slice(0, this.#parts.length - old.length), part];
    await writeManifest(host.disk, directory, { journal: journal.id, parts });
    this.#parts = parts;
    for (const { file } of old) if (file !== part.file) await this.#remove(file);
  }

  /** Folds LSNs of the log into rows. A bad part may end in the middle of a batch, so both ends are given. */
  async #foldLog(from: number, to: number): Promise<{ folded: number; bytes: number }> {
    const { journal, index } = this.#options;
    const total = { folded: 0, bytes: 0 };
    if (from > to) return total;
    for await (const batch of journal.scan(from, { to })) {
      for (const { lsn, type, payload } of batch) {
        if (isRecordType(type)) index.add(lsn, fieldsOfPayload(type, payload));
        else index.addEmpty(lsn);
        total.folded++;
        total.bytes += payload.length;
      }
    }
    if (index.rows !== to) throw new Error(`fold of the log ended at LSN ${index.rows}, expected ${to}`);
    return total;
  }

  /** Removes parts that no manifest names: left by a crash. They only cost space, so an error is no reason to stop. */
  async #removeStrays(): Promise<void> {
    const { host, directory } = this.#options;
    const known = new Set(this.#parts.map(({ file }) => file));
    const entries = await host.disk.list(directory).catch((error: unknown) => ignoreDiskError(error, []));
    for (const { name } of entries) if (/^part-.*\.idx$/.test(name) && !known.has(name)) await this.#remove(name);
  }

  async #remove(file: string): Promise<void> {
    const { host, directory } = this.#options;
    await host.disk.remove(`${directory}/${file}`).catch((error: unknown) => ignoreDiskError(error, undefined));
  }
}

function ignoreDiskError<T>(error: unknown, instead: T): T {
  if (error instanceof DiskError) return instead;
  throw error;
}

function sum(
  a: { folded: number; bytes: number },
  b: { folded: number; bytes: number },
): { folded: number; bytes: number } {
  return { folded: a.folded + b.folded, bytes: a.bytes + b.bytes };
}
