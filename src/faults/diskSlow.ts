import { z } from 'zod';
import type { Disturbance } from '../sim/disk/timing.ts';
import { all, devicesOf, diskFault, onDevice, type TargetParameters, where } from './diskTarget.ts';
import type { FaultContext, Heal } from './fault.ts';
import { bytes, durationMs, formatBytes, formatDuration, percent } from './units.ts';

function disturb(context: FaultContext, parameters: TargetParameters, disturbances: readonly Disturbance[]): Heal {
  const heals = devicesOf(context, parameters).flatMap((device) =>
    disturbances.map((one) => device.queue.disturb(one)),
  );
  return all(heals);
}

/** `disk.slow-sync` */
export const slowSync = diskFault({
  name: 'disk.slow-sync',
  summary: 'A flush takes longer: by a distribution with the given median and 99th percentile, or by an added time.',
  schema: z
    .strictObject({
      ...onDevice,
      p50: durationMs.optional().describe('median of a flush; default: that of p99, at most 10 ms'),
      p99: durationMs.optional().describe('99th percentile of a flush; default: p50'),
      add: durationMs.optional().describe('added to every flush'),
    })
    .refine((value) => value.p50 !== undefined || value.p99 !== undefined || value.add !== undefined, {
      message: 'expected p50, p99 or add',
    })
    .refine((value) => value.p99 === undefined || (value.p99 > 0 && value.p99 >= (value.p50 ?? 0)), {
      message: 'expected p99 above 0 and not below p50',
    })
    .refine((value) => value.p50 === undefined || value.p50 > 0, { message: 'expected p50 above 0' }),
  describe: (parameters, targets) => {
    const { p50, p99, add } = parameters;
    const parts = [
      p50 === undefined ? [] : [`${formatDuration(p50)} at p50`],
      p99 === undefined ? [] : [`${formatDuration(p99)} at p99`],
      add === undefined ? [] : [`${formatDuration(add)} more`],
    ].flat();
    return `fsync takes ${parts.join(', ')}${where(parameters, targets)}`;
  },
  apply: (context, parameters) => {
    const { p50, p99, add } = parameters;
    const p99Ms = p99 ?? p50;
    const disturbances: Disturbance[] = [];
    if (p99Ms !== undefined) {
      const distribution = { p50Ms: p50 ?? Math.min(p99Ms, 10), p99Ms };
      disturbances.push({ kind: 'sync-distribution', distribution });
    }
    if (add !== undefined) disturbances.push({ kind: 'sync-add', addMs: add });
    return disturb(context, parameters, disturbances);
  },
});

/** `disk.slow` */
export const slow = diskFault({
  name: 'disk.slow',
  summary: 'Every operation of the device takes longer by an added time, all files at once.',
  schema: z.strictObject({ ...onDevice, add: durationMs.describe('added to every operation') }),
  describe: (parameters, targets) =>
    `every disk operation takes ${formatDuration(parameters.add)} more${where(parameters, targets)}`,
  apply: (context, parameters) => disturb(context, parameters, [{ kind: 'add', addMs: parameters.add }]),
});

/** `disk.stall` */
export const stall = diskFault({
  name: 'disk.stall',
  summary: 'The device completes nothing until it heals, or until the window is over; then all that waited.',
  schema: z.strictObject({
    ...onDevice,
    window: durationMs.optional().describe('how long it hangs; default: until the fault heals'),
  }),
  describe: (parameters, targets) =>
    `the disk hangs${parameters.window === undefined ? '' : ` for ${formatDuration(parameters.window)}`}${where(parameters, targets)}`,
  apply: (context, parameters) => {
    const heal = disturb(context, parameters, [{ kind: 'stall' }]);
    if (parameters.window !== undefined) {
      context.world.scheduler.after(parameters.window, 'disk stall ends', undefined, () => void heal());
    }
    return heal;
  },
});

/** `disk.throttle` */
export const throttle = diskFault({
  name: 'disk.throttle',
  summary: 'The device does at most so many operations (of up to 64 KiB) or bytes a second: a volume out of credits.',
  schema: z
    .strictObject({
      ...onDevice,
      iops: z.number().positive().max(1e7).optional().describe('operations per second'),
      bytesPerSecond: bytes.optional().describe('bytes per second'),
    })
    .refine((value) => value.iops !== undefined || value.bytesPerSecond !== undefined, {
      message: 'expected iops or bytesPerSecond',
    })
    .refine((value) => value.bytesPerSecond !== 0, { message: 'expected bytesPerSecond above 0' }),
  describe: (parameters, targets) => {
    const { iops, bytesPerSecond } = parameters;
    const parts = [
      iops === undefined ? [] : [`${iops} operations`],
      bytesPerSecond === undefined ? [] : [formatBytes(bytesPerSecond)],
    ].flat();
    return `the disk does at most ${parts.join(' and ')} per second${where(parameters, targets)}`;
  },
  apply: (context, parameters) =>
    disturb(context, parameters, [
      {
        kind: 'throttle',
        iops: parameters.iops ?? Number.POSITIVE_INFINITY,
        bytesPerSecond: parameters.bytesPerSecond ?? Number.POSITIVE_INFINITY,
      },
    ]),
});

/** `disk.compete` */
export const compete = diskFault({
  name: 'disk.compete',
  summary: 'Another process takes a share of the device and keeps requests in its queue.',
  schema: z.strictObject({
    ...onDevice,
    share: percent
      .refine((value) => value < 100, { message: 'expected less than 100 percent' })
      .describe('percent that it takes'),
    queueDepth: z.int().min(0).max(1024).default(16).describe('requests that it keeps in flight'),
  }),
  describe: (parameters, targets) =>
    `another process takes ${parameters.share}% of the disk${where(parameters, targets)}`,
  apply: (context, parameters) =>
    disturb(context, parameters, [
      { kind: 'compete', share: parameters.share / 100, queueDepth: parameters.queueDepth },
    ]),
});
