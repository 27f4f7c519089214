import { z } from 'zod';
import { breakSectors, healDamage, rotBits } from '../sim/disk/media.ts';
import { all, applyRule, diskFault, filesOf, onBytes, onFiles, rangeOf, where } from './diskTarget.ts';
import { FaultError } from './fault.ts';
import { durationMs, formatDuration, percent } from './units.ts';

/** `disk.sector-error` */
export const sectorError = diskFault({
  name: 'disk.sector-error',
  summary: 'The sectors of a range cannot be read (EIO) until they are written again: latent bad sectors.',
  schema: z.strictObject({ ...onBytes }),
  describe: (parameters, targets) => `bad sectors${where(parameters, targets)}`,
  apply: (context, parameters) => {
    const heals = [...filesOf(context, parameters)].map(([device, files]) => {
      const id = device.rules.reserveId();
      for (const file of files) breakSectors(file, rangeOf(parameters), id);
      return () => healDamage(device, id);
    });
    return all(heals);
  },
});

/** `disk.bit-rot` */
export const bitRot = diskFault({
  name: 'disk.bit-rot',
  summary: 'Random bits at rest flip: every later read from the device gives the same wrong bytes.',
  schema: z.strictObject({
    ...onBytes,
    bits: z.int().min(1).max(1_000_000).default(1).describe('how many bits flip on each device'),
    optional: z.boolean().default(false).describe('where no bytes are at rest nothing happens: else that is an error'),
  }),
  describe: (parameters, targets) =>
    `${parameters.bits} ${parameters.bits === 1 ? 'bit flips' : 'bits flip'}${where(parameters, targets)}`,
  apply: (context, parameters) => {
    let sectors = 0;
    const heals = [...filesOf(context, parameters)].map(([device, files]) => {
      const id = device.rules.reserveId();
      sectors += rotBits(device, files, parameters.bits, rangeOf(parameters), id);
      return () => healDamage(device, id);
    });
    if (sectors === 0 && !parameters.optional) {
      throw new FaultError(`disk.bit-rot${where(parameters, context.targets)}: expected bytes at rest, found none`);
    }
    return all(heals);
  },
});

const shareSchema = z.strictObject({ ...onBytes, percent: percent.prefault(100).describe('percent of operations') });

/** `disk.lost-write` */
export const lostWrite = diskFault({
  name: 'disk.lost-write',
  summary: 'Write and sync say OK, the media keeps the old sectors.',
  schema: shareSchema,
  describe: (parameters, targets) => `${parameters.percent}% of writes are lost silently${where(parameters, targets)}`,
  apply: (context, parameters) =>
    applyRule(context, parameters, () => ({ kind: 'lost-write', share: parameters.percent / 100 })),
});

/** `disk.misdirected-write` */
export const misdirectedWrite = diskFault({
  name: 'disk.misdirected-write',
  summary: 'Sectors land at another offset of the same file; write and sync say OK.',
  schema: shareSchema,
  describe: (parameters, targets) => `${parameters.percent}% of writes land elsewhere${where(parameters, targets)}`,
  apply: (context, parameters) =>
    applyRule(context, parameters, () => ({ kind: 'misdirected-write', share: parameters.percent / 100 })),
});

/** `disk.misdirected-read` */
export const misdirectedRead = diskFault({
  name: 'disk.misdirected-read',
  summary: 'Reads from the device give the sectors of another offset of the same file.',
  schema: shareSchema,
  describe: (parameters, targets) => `${parameters.percent}% of reads come from elsewhere${where(parameters, targets)}`,
  apply: (context, parameters) => {
    const heal = applyRule(context, parameters, () => ({
      kind: 'misdirected-read',
      share: parameters.percent / 100,
    }));
    return async () => {
      await heal();
      // The page cache has kept what was misread.
      for (const files of filesOf(context, parameters).values()) for (const file of files) file.evict();
    };
  },
});

/** `disk.lying-sync` */
export const lyingSync = diskFault({
  name: 'disk.lying-sync',
  summary: 'A sync says OK at once and is durable only after a delay: a volatile cache whose flush does nothing.',
  schema: z.strictObject({
    ...onFiles,
    delay: durationMs.prefault('10s').describe('how long what was synced stays volatile'),
  }),
  describe: (parameters, targets) =>
    `sync lies, durable only after ${formatDuration(parameters.delay)}${where(parameters, targets)}`,
  apply: (context, parameters) =>
    applyRule(context, parameters, () => ({ kind: 'lying-sync', delayMs: parameters.delay })),
});
