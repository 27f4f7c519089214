/** What a disk operation can fail with: the kernel's names, the same from the real and the simulated disk. */
export type DiskErrorCode =
  | 'EIO'
  | 'ENOSPC'
  | 'EDQUOT'
  | 'EROFS'
  | 'ENOENT'
  | 'EEXIST'
  | 'EACCES'
  | 'ENOTDIR'
  | 'EISDIR'
  | 'ENOTEMPTY'
  | 'EMFILE'
  | 'ENODEV'
  | 'EINVAL'
  | 'EBADF'
  | 'ELOCKED';

/** The operations of a disk, as metrics and errors name them. */
export type DiskOperation =
  | 'open'
  | 'read'
  | 'write'
  | 'sync'
  | 'truncate'
  | 'allocate'
  | 'size'
  | 'lock'
  | 'close'
  | 'rename'
  | 'remove'
  | 'list'
  | 'stat'
  | 'makeDirectory'
  | 'syncDirectory'
  | 'usage';

/** A disk operation failed. `message` names operation, path and code. */
export class DiskError extends Error {
  override readonly name = 'DiskError';
  readonly code: DiskErrorCode;
  readonly operation: DiskOperation;
  readonly path: string;
  /** With ELOCKED: the process that holds the lock, where it is known. */
  readonly holderPid: number | undefined;

  constructor(
    code: DiskErrorCode,
    operation: DiskOperation,
    path: string,
    options?: { detail?: string; holderPid?: number; cause?: unknown },
  ) {
    super(
      `${operation} ${path}: ${code}${options?.detail === undefined ? '' : ` (${options.detail})`}`,
      options?.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.operation = operation;
    this.path = path;
    this.holderPid = options?.holderPid;
  }
}

/** Whether the disk says that there is no room. */
export function isNoSpace(error: unknown): error is DiskError {
  return error instanceof DiskError && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

/** How a file is opened. */
export interface OpenOptions {
  /**
   * `read`: must exist, no writing. `write`: must exist, reading and writing. `create`: made empty if missing, reading
   * and writing. `create-new`: EEXIST if it is there.
   */
  readonly mode: 'read' | 'write' | 'create' | 'create-new';
  /**
   * Reads come from the device, not from the page cache, and do not fill it (O_DIRECT, or a drop of the cached pages
   * before each read). A hint in production, exact in the simulator. Default false.
   */
  readonly uncached?: boolean;
}

/** How a write ends. */
export interface WriteOptions {
  /**
   * True: resolves when the bytes, and the length that they need, are on stable storage: one operation, either all
   * reported durable or failed. When it is the sync that failed, the error's `operation` is `sync`: after it nothing
   * of the file may be trusted. False: resolves when the page cache has them.
   */
  readonly durable: boolean;
}

/** One entry of a directory. */
export interface DirectoryEntry {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'other';
}

/** What is known of one path. */
export interface FileInformation {
  readonly kind: 'file' | 'directory' | 'other';
  /** Length in bytes; 0 for a directory. */
  readonly bytes: number;
  /** Number of the device that holds it: two paths with equal numbers share a disk. */
  readonly device: number;
  /** Wall time of the last change of the content, in milliseconds since 1970. */
  readonly modifiedWall: number;
}

/** Space of the file system that holds a path. */
export interface DiskUsage {
  readonly freeBytes: number;
  readonly totalBytes: number;
  readonly freeInodes: number;
}

/**
 * An open file. Short reads and writes, EINTR and EAGAIN never reach the caller: the adapter loops. Positions and
 * lengths are bytes, safe integers. Every method rejects with `DiskError`. The buffers of a call belong to the disk until
 * its promise settles.
 */
export interface DiskFile {
  readonly path: string;
  /** Fills `into` from `position`; resolves to the bytes read, fewer than asked only at the end of the file. */
  read(position: number, into: Uint8Array): Promise<number>;
  /** Writes the buffers one after the other from `position`. After an error any part may have been written. */
  write(position: number, buffers: readonly Uint8Array[], options: WriteOptions): Promise<void>;
  /** Makes content and length durable (fdatasync). */
  sync(): Promise<void>;
  /** Sets the length; new bytes read as zeros. */
  truncate(bytes: number): Promise<void>;
  /** Reserves space and sets the length to at least `bytes`; new bytes read as zeros. ENOSPC comes from here, not later. */
  allocate(bytes: number): Promise<void>;
  size(): Promise<number>;
  /**
   * Takes the exclusive lock of this file for this process, released by `close` or by the death of the process.
   * ELOCKED with `holderPid` if another process has it. Never waits.
   */
  lock(): Promise<void>;
  close(): Promise<void>;
}

/** The file systems of a machine, by absolute paths with `/`. Every method rejects with `DiskError`. */
export interface Disk {
  open(path: string, options: OpenOptions): Promise<DiskFile>;
  /** Atomically gives a file a new name, replacing what stood there. Durable after `syncDirectory` of both parents. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or an empty directory. */
  remove(path: string): Promise<void>;
  /** Entries sorted by name (UTF-16 order). */
  list(path: string): Promise<DirectoryEntry[]>;
  /** ENOENT if it is missing. */
  stat(path: string): Promise<FileInformation>;
  /** Makes the directory and its missing parents; no error if it is there. */
  makeDirectory(path: string): Promise<void>;
  /** Makes the names in a directory durable: without it a new, renamed or removed name may be undone by a power loss. */
  syncDirectory(path: string): Promise<void>;
  /** Space on the file system that holds `path`, which must exist. */
  usage(path: string): Promise<DiskUsage>;
}
