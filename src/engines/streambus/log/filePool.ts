import type { Disk, DiskFile } from '../../../host/disk.ts';

/** The use of an open file: it stays open until `release`. */
export interface FileLease {
  readonly file: DiskFile;
  release(): void;
}

interface PooledFile {
  readonly opening: Promise<DiskFile>;
  uses: number;
  /** Its name went: closed as soon as nobody uses it. */
  dropped: boolean;
}

/** Open files of all partitions of a broker: at most `max` that nobody uses stay open, the least recently used are closed. */
export class FilePool {
  readonly #disk: Disk;
  readonly #max: number;
  /** In order of their last release. */
  readonly #files = new Map<string, PooledFile>();
  #idle = 0;

  constructor(disk: Disk, max: number) {
    this.#disk = disk;
    this.#max = max;
  }

  /** Opens for reading and writing, `create`: made empty when it is missing; `write`: it must exist. Rejects with `DiskError`. */
  async acquire(path: string, mode: 'write' | 'create'): Promise<FileLease> {
    let pooled = this.#files.get(path);
    if (pooled === undefined) {
      pooled = { opening: this.#disk.open(path, { mode }), uses: 0, dropped: false };
      this.#files.set(path, pooled);
    } else if (pooled.uses === 0) {
      this.#idle -= 1;
    }
    const entry = pooled;
    entry.uses += 1;
    let file: DiskFile;
    try {
      file = await entry.opening;
    } catch (error) {
      entry.uses -= 1;
      if (this.#files.get(path) === entry) this.#files.delete(path);
      throw error;
    }
    let released = false;
    return {
      file,
      release: () => {
        if (released) return;
        released = true;
        this.#release(path, entry, file);
      },
    };
  }

  #release(path: string, entry: PooledFile, file: DiskFile): void {
    entry.uses -= 1;
    if (entry.uses > 0) return;
    if (entry.dropped) {
      void closeQuietly(file);
      return;
    }
    // To the young end.
    this.#files.delete(path);
    this.#files.set(path, entry);
    this.#idle += 1;
    if (this.#idle <= this.#max) return;
    for (const [oldPath, old] of this.#files) {
      if (old.uses > 0) continue;
      this.#files.delete(oldPath);
      this.#idle -= 1;
      void old.opening.then(closeQuietly);
      return;
    }
  }

  /** Uses a file for one operation. */
  async use<T>(path: string, mode: 'write' | 'create', operation: (file: DiskFile) => Promise<T>): Promise<T> {
    const lease = await this.acquire(path, mode);
    try {
      return await operation(lease.file);
    } finally {
      lease.release();
    }
  }

  /** The name goes or stands for other content: the next use opens it anew. */
  drop(path: string): void {
    const entry = this.#files.get(path);
    if (entry === undefined) return;
    this.#files.delete(path);
    entry.dropped = true;
    if (entry.uses > 0) return;
    this.#idle -= 1;
    void entry.opening.then(closeQuietly, () => undefined);
  }

  /** Drops every file below a directory. */
  dropBelow(directory: string): void {
    for (const path of [...this.#files.keys()]) {
      if (path.startsWith(`${directory}/`)) this.drop(path);
    }
  }
}

/** What was to be durable has been synced before: an error of close has nothing to tell. */
async function closeQuietly(file: DiskFile): Promise<void> {
  try {
    await file.close();
  } catch {
    // See above.
  }
}
