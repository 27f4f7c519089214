import type { Millis } from '../../host/clock.ts';
import type { DiskErrorCode } from '../../host/disk.ts';
import type { PowerLossMode } from '../devices.ts';

/** What an observer of a device is told of. */
export type DiskEventKind =
  | 'open'
  | 'close'
  | 'lock'
  /** The page cache has the bytes. */
  | 'write'
  | 'write-fail'
  | 'read'
  | 'read-fail'
  | 'truncate'
  | 'allocate'
  | 'allocate-fail'
  | 'durable-write-begin'
  | 'durable-write-complete'
  | 'durable-write-fail'
  | 'sync-begin'
  | 'sync-complete'
  | 'sync-fail'
  | 'rename'
  | 'remove'
  | 'make-directory'
  | 'sync-directory-begin'
  | 'sync-directory-complete'
  | 'sync-directory-fail'
  | 'power-loss'
  | 'wipe';

/** One thing that a device was asked or did: what a shadow of the disk is built from. */
export interface DiskEvent {
  /** Grows by one with every event of the machine. */
  readonly order: number;
  readonly atMs: Millis;
  readonly kind: DiskEventKind;
  readonly machine: string;
  /** Name of the device. */
  readonly device: string;
  /** Incarnation of the process; 0 for power loss and wipe. */
  readonly incarnation: number;
  /** Absolute path: for an open file the name that it has now, for rename the old one. */
  readonly path: string;
  /** Number of the file on its device, the same under every name; 0 where there is none. */
  readonly file: number;
  /** The same for the begin and the end of one operation; 0 where there is no end to wait for. */
  readonly operation: number;
  /** Position of the first byte; for truncate and allocate the length. */
  readonly offset: number;
  readonly bytes: number;
  /** Why it failed. */
  readonly code?: DiskErrorCode;
  /** rename: the new path. */
  readonly to?: string;
  /** write and durable-write-begin: what is written. Belongs to the process: valid only during the call. */
  readonly data?: readonly Uint8Array[];
  readonly mode?: PowerLossMode;
}

export type DiskObserver = (event: DiskEvent) => void;
