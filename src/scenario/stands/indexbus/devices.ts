import { z } from 'zod';

/** Where the nodes run, and what each of them has in its configuration beside what all have. */
export const indexBusDevicesSchema = z
  .strictObject({
    machines: z
      .array(z.array(z.string()).min(2))
      .default([])
      .describe('nodes that run on one machine, and so see the same memory; default: each has a machine of its own'),
    config: z
      .record(z.string(), z.record(z.string(), z.unknown()))
      .default({})
      .describe('keys of the configuration of single nodes: { indexbus-2: { standby: true } }'),
    'near wrap': z.boolean().default(false).describe('cursors of a new segment begin five before they wrap'),
  })
  .describe('which nodes share a machine, and in what their configurations differ');

export type IndexBusDevices = z.output<typeof indexBusDevicesSchema>;
