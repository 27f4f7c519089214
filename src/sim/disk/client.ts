import { DiskError, type DiskOperation } from '../../host/disk.ts';
import type { Device } from './device.ts';

/** What the disk needs of a process. */
export interface DiskClient {
  readonly traceName: string;
  readonly incarnation: number;
  readonly pid: number;
  readonly alive: boolean;
  /** Runs `fn` as an event of the process, or never when it is dead. */
  deliver(label: string, fn: () => void): void;
  /** Calls `fn` when the process dies. */
  onDeath(fn: () => void): () => void;
}

/** A call that needs no device takes this long. */
export const callMs = 0.005;

/** How an operation ends: with a value, and a number for the trace; or with an error. */
export interface Completion<T> {
  succeed(value: T, traced?: number): void;
  fail(error: unknown): void;
}

/**
 * Starts one operation: `body` runs now, as the kernel does on a system call, and what comes of it is delivered to the
 * process as an event of its own. Errors that `body` throws are delivered after the time of a call. A dead process is
 * told nothing.
 */
export function startOperation<T>(
  client: DiskClient,
  device: Device | undefined,
  operation: DiskOperation,
  path: string,
  body: (completion: Completion<T>) => void,
): Promise<T> {
  if (!client.alive) return new Promise<T>(() => {});
  return new Promise<T>((resolve, reject) => {
    const label = labels[operation];
    const completion: Completion<T> = {
      succeed: (value, traced = 0) => {
        device?.environment.trace.io(label, client.traceName, traced);
        client.deliver(label, () => resolve(value));
      },
      fail: (error) => {
        // Anything but a DiskError is a defect of the simulator: it must end the run.
        if (!(error instanceof DiskError)) throw error;
        device?.environment.trace.io(label, client.traceName, -1);
        client.deliver(label, () => reject(error));
      },
    };
    try {
      if (!path.startsWith('/'))
        throw new DiskError('EINVAL', operation, path, { detail: 'expected an absolute path' });
      body(completion);
    } catch (error) {
      if (device === undefined || !(error instanceof DiskError)) completion.fail(error);
      else device.environment.scheduler.after(callMs, label, undefined, () => completion.fail(error));
    }
  });
}

const labels: Readonly<Record<DiskOperation, string>> = {
  open: 'disk open',
  read: 'disk read',
  write: 'disk write',
  sync: 'disk sync',
  truncate: 'disk truncate',
  allocate: 'disk allocate',
  size: 'disk size',
  lock: 'disk lock',
  close: 'disk close',
  rename: 'disk rename',
  remove: 'disk remove',
  list: 'disk list',
  stat: 'disk stat',
  makeDirectory: 'disk makeDirectory',
  syncDirectory: 'disk syncDirectory',
  usage: 'disk usage',
};
