import { z } from 'zod';
import { all, applyRule, devicesOf, diskFault, onFiles, where } from './diskTarget.ts';
import { bytes, formatBytes } from './units.ts';

/** `disk.full` */
export const full = diskFault({
  name: 'disk.full',
  summary:
    'Somebody else takes the free space, or the free inodes: ENOSPC. at write or sync: these fail even where space was set aside before, as on a thin volume.',
  schema: z.strictObject({
    ...onFiles,
    freeBytes: bytes.optional().describe('free bytes that are left; default 0, or untouched when freeInodes is given'),
    freeInodes: z.int().min(0).optional().describe('free inodes that are left; default: untouched'),
    at: z
      .enum(['allocate', 'write', 'sync'])
      .default('allocate')
      .describe('which operation fails beside those that need space'),
  }),
  describe: (parameters, targets) => {
    const left =
      parameters.freeInodes === undefined
        ? `${formatBytes(parameters.freeBytes ?? 0)} free`
        : `${parameters.freeInodes} inodes free`;
    return `the disk is full (${left}, at ${parameters.at})${where(parameters, targets)}`;
  },
  apply: (context, parameters) => {
    const { at, freeInodes } = parameters;
    const freeBytes = parameters.freeBytes ?? (freeInodes === undefined ? 0 : undefined);
    const heals = devicesOf(context, parameters).map((device) =>
      device.fill({
        ...(freeBytes === undefined ? {} : { freeBytes }),
        ...(freeInodes === undefined ? {} : { freeInodes }),
      }),
    );
    if (at === 'allocate') return all(heals);
    const rule = applyRule(context, parameters, () => ({ kind: 'no-space', operation: at }));
    return all([...heals, () => void rule()]);
  },
});
