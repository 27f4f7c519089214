import { z } from 'zod';
import { bytes, durationMs } from '../../../faults/units.ts';
import type { Device } from '../../../sim/disk/device.ts';
import type { DeviceTable } from '../../../sim/disk/deviceTable.ts';
import type { FileNode } from '../../../sim/disk/fileNode.ts';
import type { Machine } from '../../../sim/machine.ts';
import type { FileSeen } from './journalImage.ts';

/** Where the engine's two directories lie on every machine of the stand. */
export const walDirectory = '/var/lib/stemedb/wal';
export const storeDirectory = '/var/lib/stemedb/db';

/** What both lie below when they share a disk. */
const sharedDirectory = '/var/lib/stemedb';

const device = (size: number) =>
  z.strictObject({
    bytes: bytes.default(size).describe('size of the file system'),
    inodes: z.int().min(100).max(100_000_000).default(100_000),
    'read latency': durationMs.optional(),
    'write latency': durationMs.optional(),
    'flush latency': durationMs.optional(),
    'queue depth': z.int().min(1).max(1024).optional().describe('requests that the device works on at once'),
    'bytes per second': bytes.optional(),
    'page cache': bytes
      .optional()
      .describe(
        'memory for what was read and written; default: as much as there are files, so that nothing is read twice',
      ),
    'other reads': z
      .number()
      .positive()
      .max(10_000)
      .optional()
      .describe('reads of 4 KiB a second that other processes ask of the device, at most 64 at once'),
    jitter: z.number().min(0).max(10).optional().describe('each latency is drawn from base x [1, 1 + jitter]'),
  });

const GIB = 2 ** 30;

/** The disks of a machine that runs stemedb. */
export const stemeDevicesSchema = z
  .strictObject({
    wal: device(4 * GIB)
      .prefault({})
      .describe(`the disk at ${walDirectory}`),
    store: device(8 * GIB)
      .prefault({})
      .describe(`the disk at ${storeDirectory}`),
    shared: z.boolean().default(false).describe('log and store lie on one disk: that of `wal`'),
  })
  .describe('sizes and speed of the disks of each machine');

export type StemeDevices = z.output<typeof stemeDevicesSchema>;
type DeviceSettings = StemeDevices['wal'];

/** The disks of one machine that the engine uses. */
export interface MachineDisks {
  readonly table: DeviceTable;
  readonly wal: Device;
  /** The disk of the store: that of the log where they share one. */
  readonly store: Device;
}

/** Gives a machine its disks and mounts them. The root file system is there already. */
export function layOutDisks(machine: Machine, settings: StemeDevices): MachineDisks {
  const table = machine.devices;
  const wal = table.addDevice('sdb', optionsOf(settings.wal));
  if (settings.shared) {
    table.mount(sharedDirectory, wal);
    return { table, wal, store: wal };
  }
  const store = table.addDevice('sdc', optionsOf(settings.store));
  table.mount(walDirectory, wal);
  table.mount(storeDirectory, store);
  return { table, wal, store };
}

/** Where a file lies now, and the disk's view of it. */
function filesBelow(table: DeviceTable, directory: string): { readonly name: string; readonly file: FileNode }[] {
  const prefix = `${directory}/`;
  return [...table.files()]
    .filter(([path]) => path.startsWith(prefix) && !path.slice(prefix.length).includes('/'))
    .map(([path, { file }]) => ({ name: path.slice(prefix.length), file }));
}

function optionsOf(settings: DeviceSettings) {
  const model = {
    readMs: settings['read latency'],
    writeMs: settings['write latency'],
    syncMs: settings['flush latency'],
    queueDepth: settings['queue depth'],
    bytesPerSecond: settings['bytes per second'],
    jitter: settings.jitter,
  };
  return {
    bytes: settings.bytes,
    inodes: settings.inodes,
    ...(settings['page cache'] === undefined ? {} : { cacheBytes: settings['page cache'] }),
    model: Object.fromEntries(Object.entries(model).filter(([, value]) => value !== undefined)),
  };
}

/** Files of a directory whose names match, as a process would read them now. Nothing of the disk changes by it. */
export function peekDirectory(table: DeviceTable, directory: string, names: RegExp): FileSeen[] {
  return filesBelow(table, directory)
    .filter(({ name }) => names.test(name))
    .map(({ name, file }) => ({ name, bytes: file.peek() }));
}
