import { z } from 'zod';
import { DiskError } from '../host/disk.ts';
import type { World } from '../sim/world.ts';
import { tableOf } from './diskTarget.ts';
import { type FaultContext, type FaultDefinition, FaultError } from './fault.ts';
import { durationMs, formatDuration } from './units.ts';

/** What a person at the shell of a machine can do to the engine's unit. Whoever starts processes registers it. */
export interface OperatorControl {
  /** `systemctl stop`: resolves when the process has ended. */
  stop(machine: string): Promise<void>;
  /** `systemctl start`: resolves when the process serves or has ended again. */
  start(machine: string): Promise<void>;
  /** Sends a request to the admin routes of the process; nothing happens when none serves. The answer is not waited for. */
  request(machine: string, method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body: string): void;
}

const controls = new WeakMap<World, OperatorControl>();

/** Lets the faults of this family start and stop processes of this world. */
export function registerOperator(world: World, control: OperatorControl): void {
  controls.set(world, control);
}

function controlOf({ world }: FaultContext, fault: string): OperatorControl {
  const control = controls.get(world);
  if (control === undefined) throw new FaultError(`${fault}: expected somebody who starts processes, there is nobody`);
  return control;
}

function operatorFault<S extends z.ZodType>(definition: {
  readonly name: string;
  readonly summary: string;
  readonly schema: S;
  readonly describe: (parameters: z.output<S>, targets: readonly string[]) => string;
  readonly apply: FaultDefinition<z.output<S>>['apply'];
}): FaultDefinition {
  // The registry holds definitions of many shapes of parameters; each is only ever given what its own schema parsed.
  return { ...definition, family: 'operator' } as unknown as FaultDefinition;
}

/** `operator.restart` */
export const restart = operatorFault({
  name: 'operator.restart',
  summary: 'Somebody restarts the unit: a graceful stop, then a start.',
  schema: z.strictObject({ wait: durationMs.prefault(0).describe('time between the stop and the start') }),
  describe: ({ wait }, targets) =>
    `an operator restarts ${targets.join(', ')}${wait === 0 ? '' : `, ${formatDuration(wait)} apart`}`,
  apply: (context, { wait }) => {
    const control = controlOf(context, 'operator.restart');
    for (const target of context.targets) {
      void control.stop(target).then(() => {
        context.world.scheduler.after(wait, 'operator starts', undefined, () => void control.start(target));
      });
    }
    return undefined;
  },
});

/** What a disk refuses the operator reads from the terminal, and leaves it at that. */
function seenAtTheShell(error: unknown): void {
  if (!(error instanceof DiskError)) throw error;
}

/** `operator.delete-file` */
export const deleteFile = operatorFault({
  name: 'operator.delete-file',
  summary: 'Somebody deletes a file by hand, the oldest one that fits; the names are made durable.',
  schema: z.strictObject({
    directory: z.string().startsWith('/').describe('where'),
    name: z.string().min(1).describe('beginning of the name: segment-'),
  }),
  describe: ({ directory, name }, targets) =>
    `an operator deletes the oldest ${directory}/${name}… on ${targets.join(', ')}`,
  apply: (context, { directory, name }) => {
    for (const target of context.targets) {
      const table = tableOf(context, target);
      const prefix = `${directory.replace(/\/$/, '')}/${name}`;
      const path = [...table.files().keys()].filter((file) => file.startsWith(prefix)).sort()[0];
      if (path === undefined)
        throw new FaultError(`operator.delete-file: expected a file ${prefix}… on ${target}, there is none`);
      const disk = table.diskOf(shellOf(context.world));
      disk
        .remove(path)
        .then(() => disk.syncDirectory(path.slice(0, path.lastIndexOf('/'))))
        .catch(seenAtTheShell);
    }
    return undefined;
  },
});

/** `operator.wrong-mount` */
export const wrongMount = operatorFault({
  name: 'operator.wrong-mount',
  summary:
    'Somebody stops the unit, unmounts a disk, forgets to mount it and starts the unit; healing mounts it and restarts.',
  schema: z.strictObject({ path: z.string().startsWith('/').describe('where the disk belongs') }),
  describe: ({ path }, targets) => `${path} of ${targets.join(', ')} is unmounted and forgotten`,
  apply: (context, { path }) => {
    const control = controlOf(context, 'operator.wrong-mount');
    const undone: (() => Promise<void>)[] = [];
    for (const target of context.targets) {
      const table = tableOf(context, target);
      if (!table.mounts.has(path))
        throw new FaultError(`operator.wrong-mount: expected a disk at ${path} of ${target}, there is none`);
      const done = control.stop(target).then(() => {
        const device = table.unmount(path);
        void control.start(target);
        return device;
      });
      undone.push(async () => {
        const device = await done;
        await control.stop(target);
        table.mount(path, device);
        void control.start(target);
      });
    }
    return async () => {
      for (const undo of undone) await undo();
    };
  },
});

/** A process of the operator's: not the engine's, so nothing of the engine's ends it. */
function shellOf(world: World): Parameters<ReturnType<typeof tableOf>['diskOf']>[0] {
  return {
    traceName: 'shell',
    incarnation: 0,
    pid: 39_999,
    alive: true,
    deliver: (label, fn) => void world.scheduler.after(0, label, undefined, fn),
    onDeath: () => () => {},
  };
}

/** `operator.request` */
export const request = operatorFault({
  name: 'operator.request',
  summary: 'Somebody calls an admin route, whatever comes of it.',
  schema: z.strictObject({
    method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).default('POST'),
    path: z.string().startsWith('/').describe('of the route'),
    body: z.string().default('').describe('as it is sent'),
  }),
  describe: ({ method, path, body }, targets) => `an operator sends ${method} ${path} ${body} to ${targets.join(', ')}`,
  apply: (context, { method, path, body }) => {
    const control = controlOf(context, 'operator.request');
    for (const target of context.targets) control.request(target, method, path, body);
    return undefined;
  },
});

/** Every fault of operators. */
export const operatorFaults: readonly FaultDefinition[] = [restart, request, deleteFile, wrongMount];
