import { z } from 'zod';
import { bytes, durationMs } from '../../../faults/units.ts';
import type { Device } from '../../../sim/disk/device.ts';
import type { DeviceTable } from '../../../sim/disk/deviceTable.ts';
import type { Machine } from '../../../sim/machine.ts';

/** Where the data directory lies on every machine of the stand. */
export const dataDirectory = '/var/lib/streambus';

const GIB = 2 ** 30;

/** The disk of a machine that runs streambus: `sdb`. */
export const streamBusDevicesSchema = z
  .strictObject({
    data: z
      .strictObject({
        bytes: bytes.default(4 * GIB).describe('size of the file system'),
        inodes: z.int().min(100).max(100_000_000).default(100_000),
        'read latency': durationMs.optional(),
        'write latency': durationMs.optional(),
        'flush latency': durationMs.optional(),
        'queue depth': z.int().min(1).max(1024).optional().describe('requests that the device works on at once'),
        'bytes per second': bytes.optional(),
        jitter: z.number().min(0).max(10).optional().describe('each latency is drawn from base x [1, 1 + jitter]'),
      })
      .prefault({})
      .describe(`the disk at ${dataDirectory}`),
  })
  .describe('size and speed of the disk of each machine');

export type StreamBusDevices = z.output<typeof streamBusDevicesSchema>;

/** The disks of one machine. */
export interface MachineDisks {
  readonly table: DeviceTable;
  readonly data: Device;
}

/** Gives a machine its disk and mounts it. The root file system is there already. */
export function layOutDisks(machine: Machine, { data: settings }: StreamBusDevices): MachineDisks {
  const table = machine.devices;
  const model = {
    readMs: settings['read latency'],
    writeMs: settings['write latency'],
    syncMs: settings['flush latency'],
    queueDepth: settings['queue depth'],
    bytesPerSecond: settings['bytes per second'],
    jitter: settings.jitter,
  };
  const data = table.addDevice('sdb', {
    bytes: settings.bytes,
    inodes: settings.inodes,
    model: Object.fromEntries(Object.entries(model).filter(([, value]) => value !== undefined)),
  });
  table.mount(dataDirectory, data);
  return { table, data };
}
