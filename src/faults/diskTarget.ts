import { z } from 'zod';
import type { Device } from '../sim/disk/device.ts';
import { DeviceTable } from '../sim/disk/deviceTable.ts';
import type { FileNode } from '../sim/disk/fileNode.ts';
import { healDamage } from '../sim/disk/media.ts';
import { pathMatcher, type Rule } from '../sim/disk/rules.ts';
import { type FaultContext, type FaultDefinition, FaultError, type Heal } from './fault.ts';
import { bytes, formatBytes } from './units.ts';

/** Which device of a machine. */
export const onDevice = {
  device: z.string().min(1).optional().describe('name of the device; default: every device of the machine'),
};

/** Which files of a machine. */
export const onFiles = {
  ...onDevice,
  path: z
    .string()
    .startsWith('/')
    .optional()
    .describe('file, directory with all below it, or glob with *, ** and ?; default: every file'),
};

/** Which bytes of which files. */
export const onBytes = {
  ...onFiles,
  range: z
    .strictObject({
      from: bytes.prefault(0).describe('first byte, included'),
      to: bytes.optional().describe('last byte, excluded; default: the end of the file'),
    })
    .optional()
    .describe('bytes of each file; default: all'),
};

/** What the schemas above parse to. */
export interface TargetParameters {
  readonly device?: string | undefined;
  readonly path?: string | undefined;
  readonly range?: { readonly from: number; readonly to?: number | undefined } | undefined;
}

/** The disks of a target. Throws `FaultError` when it has none. */
export function tableOf(context: FaultContext, target: string): DeviceTable {
  const machine = context.world.machines.get(target);
  if (machine === undefined) throw new FaultError(`machine ${target}: expected one of the world, there is none`);
  const devices: unknown = machine.devices;
  if (!(devices instanceof DeviceTable)) throw new FaultError(`machine ${target}: expected disks, it has none`);
  return devices;
}

/** The devices that a fault is about. Throws `FaultError` when a target has no device of this name. */
export function devicesOf(context: FaultContext, parameters: TargetParameters): Device[] {
  return context.targets.flatMap((target) => {
    const table = tableOf(context, target);
    if (parameters.device === undefined) return [...table.devices.values()];
    const device = table.devices.get(parameters.device);
    if (device !== undefined) return [device];
    const names = [...table.devices.keys()].join(', ');
    throw new FaultError(`device ${parameters.device} of ${target}: expected one of ${names}`);
  });
}

/** The files that a fault is about, as they are now, by device. */
export function filesOf(context: FaultContext, parameters: TargetParameters): Map<Device, FileNode[]> {
  const wanted = new Set(devicesOf(context, parameters));
  const matches = pathMatcher(parameters.path);
  const found = new Map<Device, FileNode[]>([...wanted].map((device) => [device, []]));
  for (const target of context.targets) {
    for (const [path, { device, file }] of tableOf(context, target).files()) {
      if (wanted.has(device) && matches(path)) found.get(device)?.push(file);
    }
  }
  return found;
}

/** Range of bytes with its end filled in. */
export function rangeOf(parameters: TargetParameters): { from: number; to: number } {
  return { from: parameters.range?.from ?? 0, to: parameters.range?.to ?? Number.MAX_SAFE_INTEGER };
}

/** Puts a rule on every device that is meant; healing takes it away and repairs what it damaged. */
export function applyRule(context: FaultContext, parameters: TargetParameters, rule: () => Rule): Heal {
  const target = {
    ...(parameters.path === undefined ? {} : { path: parameters.path }),
    ...(parameters.range === undefined ? {} : { range: rangeOf(parameters) }),
  };
  const heals = devicesOf(context, parameters).map((device) => {
    const { id } = device.rules.add({ ...rule(), ...target });
    return () => {
      device.rules.remove(id);
      healDamage(device, id);
    };
  });
  return all(heals);
}

/** One heal for many. */
export function all(heals: readonly (() => void)[]): Heal {
  return () => {
    for (const heal of heals) heal();
  };
}

/** `files of /wal in 0B..4KiB on sdb of n1`: where a fault strikes, for the timeline. */
export function where(parameters: TargetParameters, targets: readonly string[]): string {
  const { device, path, range } = parameters;
  const bytesText =
    range === undefined
      ? ''
      : ` bytes ${formatBytes(range.from)}..${range.to === undefined ? '' : formatBytes(range.to)} of`;
  const files = path ?? (range === undefined ? undefined : 'all files');
  return `${bytesText}${files === undefined ? '' : ` ${files}`} on ${device === undefined ? '' : `${device} of `}${targets.join(', ')}`;
}

/** A definition of this family: parameters are what its schema parses to. */
export function diskFault<S extends z.ZodType>(definition: {
  readonly name: string;
  readonly summary: string;
  readonly schema: S;
  readonly describe: (parameters: z.output<S>, targets: readonly string[]) => string;
  readonly apply: (context: FaultContext, parameters: z.output<S>) => Heal | undefined;
}): FaultDefinition {
  // The registry holds definitions of many shapes of parameters; each is only ever given what its own schema parsed.
  return { ...definition, family: 'disk' } as unknown as FaultDefinition;
}
