import { z } from 'zod';
import { applyRule, diskFault, onBytes, onDevice, onFiles, where } from './diskTarget.ts';
import { percent } from './units.ts';

/** `disk.sync-error` */
export const syncError = diskFault({
  name: 'disk.sync-error',
  summary:
    'A sync, of a directory too, fails with EIO; pages are clean afterwards. keep: the cache shows the new bytes until evicted; revert: the old ones; late: the following sync reports it; lost: only a handle that is open now hears of it; false: reported although durable.',
  schema: z.strictObject({
    ...onBytes,
    variant: z.enum(['keep', 'revert', 'late', 'lost', 'false']).default('keep').describe('what becomes of the pages'),
    times: z.int().min(1).max(1_000_000).default(1).describe('how many syncs fail'),
  }),
  describe: (parameters, targets) =>
    `${parameters.times === 1 ? 'the next sync fails' : `the next ${parameters.times} syncs fail`} (${parameters.variant})${where(parameters, targets)}`,
  apply: (context, parameters) =>
    applyRule(context, parameters, () => ({
      kind: 'sync-error',
      variant: parameters.variant,
      remaining: parameters.times,
    })),
});

const ioErrorSchema = z.strictObject({
  ...onBytes,
  percent: percent.prefault(100).describe('percent of operations that fail'),
  transient: z.boolean().default(true).describe('false: a place that failed once fails until the fault heals'),
});

/** `disk.write-error` */
export const writeError = diskFault({
  name: 'disk.write-error',
  summary: 'Writes fail with EIO; a failed one may have written a part.',
  schema: ioErrorSchema,
  describe: (parameters, targets) => `${parameters.percent}% of writes fail${where(parameters, targets)}`,
  apply: (context, parameters) =>
    applyRule(context, parameters, () => ({
      kind: 'io-error',
      operation: 'write',
      share: parameters.percent / 100,
      transient: parameters.transient,
    })),
});

/** `disk.read-error` */
export const readError = diskFault({
  name: 'disk.read-error',
  summary: 'Reads that need the device fail with EIO; what the page cache knows is read as ever.',
  schema: ioErrorSchema,
  describe: (parameters, targets) => `${parameters.percent}% of reads fail${where(parameters, targets)}`,
  apply: (context, parameters) =>
    applyRule(context, parameters, () => ({
      kind: 'io-error',
      operation: 'read',
      share: parameters.percent / 100,
      transient: parameters.transient,
    })),
});

/** `disk.read-only` */
export const readOnly = diskFault({
  name: 'disk.read-only',
  summary: 'Every change is refused with EROFS, as on a file system that was remounted read-only.',
  schema: z.strictObject({ ...onFiles }),
  describe: (parameters, targets) => `read-only${where(parameters, targets)}`,
  apply: (context, parameters) => applyRule(context, parameters, () => ({ kind: 'read-only' })),
});

/** `disk.gone` */
export const gone = diskFault({
  name: 'disk.gone',
  summary: 'The device is no longer there: everything fails with ENODEV.',
  schema: z.strictObject({ ...onDevice }),
  describe: (parameters, targets) => `the disk is gone${where(parameters, targets)}`,
  apply: (context, parameters) => applyRule(context, parameters, () => ({ kind: 'gone' })),
});

/** `disk.short-io` */
export const shortIo = diskFault({
  name: 'disk.short-io',
  summary: 'A call moves fewer bytes than it was asked to; the adapter loops, callers never see it.',
  schema: z.strictObject({ ...onFiles, percent: percent.prefault(50).describe('percent of calls') }),
  describe: (parameters, targets) => `${parameters.percent}% of calls move fewer bytes${where(parameters, targets)}`,
  apply: (context, parameters) =>
    applyRule(context, parameters, () => ({ kind: 'short-io', share: parameters.percent / 100 })),
});
