import { type Disk, DiskError, type DiskOperation } from '../host/disk.ts';
import type { MachineDevices } from './devices.ts';

/** A machine without any device: every path is on a device that is not there. */
export function createDiskless(): MachineDevices {
  const fail = (operation: DiskOperation) => (path: string) => Promise.reject(new DiskError('ENODEV', operation, path));
  const disk: Disk = {
    open: fail('open'),
    rename: fail('rename'),
    remove: fail('remove'),
    list: fail('list'),
    stat: fail('stat'),
    makeDirectory: fail('makeDirectory'),
    syncDirectory: fail('syncDirectory'),
    usage: fail('usage'),
  };
  return { diskOf: () => disk, powerLoss: () => {}, wipe: () => {} };
}
