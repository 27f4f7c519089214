import { closeSync, constants, fchmodSync, fchownSync, openSync } from 'node:fs';
import { LockUsers } from '../../host/lockTable.ts';
import type { LockMode } from '../../host/sharedMemory.ts';
import type { Access } from './access.ts';
import type { ShmAddon } from './addon.ts';
import { codeOfError } from './errors.ts';

/** The lock file of a name, as one participant of the machine holds it. */
export interface LockFile {
  /** Takes the lock of a byte for `user`, a region of this participant; false if another participant has it, or a region that is not to share it. */
  lock(byte: number, user: object, mode?: LockMode): boolean;
  /** Ends what `user` has of the lock; it is free when no other region of this participant took it too. */
  unlock(byte: number, user: object): void;
  /** Whether anybody holds the lock, this participant too. */
  held(byte: number): boolean;
  /** Ends all that `user` has; with the last user the file is closed. */
  release(user: object): void;
}

/** The lock files that one participant has open. */
export interface LockFiles {
  /** Opens the file of this path for `user`; `release` ends that. */
  use(path: string, user: object, access: Access): LockFile;
}

/**
 * Locks of bytes of files that end with this process (`native/locks.cc`). They are held on one descriptor and looked at through another,
 * since a lock never conflicts with its own descriptor. The file is never removed: those who hold a lock on it and those who come
 * would no longer meet.
 */
export function createLockFiles(addon: ShmAddon): LockFiles {
  const open = new Map<string, OpenLockFile>();
  return {
    use(path, user, access) {
      let file = open.get(path);
      if (file === undefined) {
        file = new OpenLockFile(addon, path, access, () => open.delete(path));
        open.set(path, file);
      }
      file.users.add(user);
      return file;
    },
  };
}

/**
 * Opens the file, close-on-exec as all that Node opens: no child holds a lock of ours. It is opened as it is or made, never both in one call:
 * in a directory for all users the kernel refuses O_CREAT on a file of another (fs.protected_regular).
 */
function openLockFile(path: string, access: Access): number {
  for (;;) {
    try {
      return openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
    } catch (error) {
      if (codeOfError(error) !== 'ENOENT') throw error;
    }
    try {
      const fd = openSync(
        path,
        constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
        access.mode,
      );
      if (access.gid !== undefined) fchownSync(fd, -1, access.gid);
      // The umask may have taken what the group was to have.
      fchmodSync(fd, access.mode);
      return fd;
    } catch (error) {
      if (codeOfError(error) !== 'EEXIST') throw error;
    }
  }
}

class OpenLockFile implements LockFile {
  readonly users = new Set<object>();
  readonly #addon: ShmAddon;
  readonly #holding: number;
  readonly #looking: number;
  readonly #takers = new Map<number, LockUsers>();
  readonly #closed: () => void;

  constructor(addon: ShmAddon, path: string, access: Access, closed: () => void) {
    this.#addon = addon;
    this.#closed = closed;
    this.#holding = openLockFile(path, access);
    try {
      this.#looking = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
    } catch (error) {
      closeSync(this.#holding);
      throw error;
    }
  }

  lock(byte: number, user: object, mode: LockMode = 'shared'): boolean {
    // The kernel knows this participant alone: which of its regions may have the lock is told here.
    const takers = this.#takers.get(byte);
    if (takers !== undefined) return takers.add(user, mode);
    if (!this.#addon.lockByte(this.#holding, byte)) return false;
    const first = new LockUsers();
    this.#takers.set(byte, first);
    return first.add(user, mode);
  }

  unlock(byte: number, user: object): void {
    const takers = this.#takers.get(byte);
    if (takers === undefined || !takers.delete(user) || !takers.isEmpty) return;
    this.#takers.delete(byte);
    this.#addon.unlockByte(this.#holding, byte);
  }

  held(byte: number): boolean {
    return this.#addon.byteHeld(this.#looking, byte);
  }

  release(user: object): void {
    if (!this.users.delete(user)) return;
    for (const byte of [...this.#takers.keys()]) this.unlock(byte, user);
    if (this.users.size > 0) return;
    closeSync(this.#holding);
    closeSync(this.#looking);
    this.#closed();
  }
}
