import { DiskError, type DiskFile, isNoSpace } from '../../host/disk.ts';
import type { Host } from '../../host/host.ts';
import { makeDirectoryDurably } from '../../storage/atomicFile.ts';
import { lockDirectory } from '../../storage/journal/index.ts';

/** `store.dir`, taken for one process: the index of one log must not be replaced by that of another. */
export class StoreLock {
  readonly #host: Host;
  readonly #directory: string;
  #file: DiskFile | undefined;

  private constructor(host: Host, directory: string) {
    this.#host = host;
    this.#directory = directory;
  }

  /**
   * Takes the directory if it was one of a store before. A directory that was not is left untouched: it may be the bare
   * place of a mount that is missing, and whether a store may be made there is for the log to say.
   *
   * @throws JournalError JournalLocked with the holder's process id; DiskError
   */
  static async take(host: Host, directory: string): Promise<StoreLock> {
    const lock = new StoreLock(host, directory);
    try {
      lock.#file = await lockDirectory(host.disk, directory, 'write');
    } catch (error) {
      if (!(error instanceof DiskError) || (error.code !== 'ENOENT' && error.code !== 'ENOTDIR')) throw error;
    }
    return lock;
  }

  /**
   * Takes the directory now that the log is open, if it was not taken yet. Without room for the file the store runs
   * unlocked, and says so.
   *
   * @throws JournalError JournalLocked; DiskError
   */
  async complete(): Promise<void> {
    if (this.#file !== undefined) return;
    try {
      await makeDirectoryDurably(this.#host.disk, this.#directory);
      this.#file = await lockDirectory(this.#host.disk, this.#directory, 'create');
    } catch (error) {
      if (!isNoSpace(error)) throw error;
      this.#host.telemetry.logger.warn('store directory not locked: no room for the lock', {
        directory: this.#directory,
      });
    }
  }

  /** Gives the directory free. Idempotent. */
  async release(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    // The lock ends with the process at the latest.
    await file?.close().catch(() => undefined);
  }
}
