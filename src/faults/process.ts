import { z } from 'zod';
import type { Machine } from '../sim/machine.ts';
import type { SimProcess } from '../sim/process.ts';
import { defineFault, healAll, machinesOf } from './define.ts';
import type { FaultContext, FaultDefinition, Heal } from './fault.ts';
import { bytes, durationMs, formatBytes, formatDuration } from './units.ts';

/** Parameter of faults that end a process. */
export const restart = {
  restart: z
    .union([z.literal('never'), durationMs])
    .optional()
    .describe('when the node starts again: a time from now, or never; default: when the fault is healed'),
};

/** When a process comes back; undefined: with the healing. */
export type Restart = number | 'never' | undefined;

/** For the timeline. */
export function restartText(when: Restart): string {
  if (when === 'never') return ', and stays down';
  return when === undefined ? '' : `, back after ${formatDuration(when)}`;
}

/** The machine is back by then, if it was told to be. */
function lastsMs({ restart: when }: { readonly restart?: Restart | undefined }): number | undefined {
  return typeof when === 'number' ? when : undefined;
}

/** Ends the process of each target in some way, and brings it back as asked. */
export function crash(context: FaultContext, when: Restart, end: (machine: Machine) => void): Heal | undefined {
  const { scheduler } = context.world;
  const heals = machinesOf(context).map((machine) => {
    end(machine);
    const incarnation = machine.incarnation;
    // Whoever has started it meanwhile has healed it.
    const back = (): void => {
      if (machine.incarnation === incarnation) machine.restart();
    };
    const event = typeof when === 'number' ? scheduler.after(when, 'restart', undefined, back) : undefined;
    return () => {
      if (event !== undefined) scheduler.cancel(event);
      back();
    };
  });
  return when === 'never' ? undefined : healAll(heals);
}

const kill = defineFault({
  name: 'process.kill',
  summary:
    'SIGKILL: the process ends between two instructions; page cache and shared memory survive, peers get resets.',
  schema: z.strictObject(restart),
  describe: (p, targets) => `SIGKILL to ${targets.join(', ')}${restartText(p.restart)}`,
  apply: (context, p) => crash(context, p.restart, (machine) => machine.kill()),
  lastsMs,
});

const powerLoss = defineFault({
  name: 'process.power-loss',
  summary: 'The power goes: process, shared memory and page cache are lost; the disk keeps what the mode leaves.',
  schema: z.strictObject({
    ...restart,
    mode: z
      .enum(['drop', 'tear', 'reorder', 'corrupt', 'all-durable'])
      .prefault('drop')
      .describe('what becomes of unsynced sectors'),
  }),
  describe: (p, targets) => `power loss on ${targets.join(', ')} (${p.mode})${restartText(p.restart)}`,
  apply: (context, p) => crash(context, p.restart, (machine) => machine.powerLoss(p.mode)),
  lastsMs,
});

const wipe = defineFault({
  name: 'process.wipe',
  summary: 'The machine is replaced by an empty one of the same name: no process, no data.',
  schema: z.strictObject(restart),
  describe: (p, targets) => `${targets.join(', ')} replaced by an empty machine${restartText(p.restart)}`,
  apply: (context, p) => crash(context, p.restart, (machine) => machine.wipe()),
  lastsMs,
});

const oldDisk = defineFault({
  name: 'process.old-disk',
  summary:
    'The disks are copied, and after a while the power goes and the machine comes back with the copy: a virtual machine set back to its snapshot.',
  schema: z.strictObject({
    age: durationMs.prefault(5_000).describe('time from the copy to the loss of power: what was written in it is gone'),
    restart: durationMs.prefault(1_000).describe('when the node starts again, from the loss of power'),
  }),
  describe: (p, targets) =>
    `${targets.join(', ')} set back by ${formatDuration(p.age)}, back after ${formatDuration(p.restart)}`,
  apply: (context, p) => {
    const { scheduler } = context.world;
    return healAll(
      machinesOf(context).map((machine) => {
        const images = [...machine.devices.devices.values()].map((device) => ({ device, image: device.image() }));
        let incarnation: number | undefined;
        const back = (): void => {
          if (machine.incarnation === incarnation) machine.restart();
        };
        const set = scheduler.after(p.age, 'set back', undefined, () => {
          machine.powerLoss('drop');
          for (const { device, image } of images) device.restore(image);
          incarnation = machine.incarnation;
          restarting = scheduler.after(p.restart, 'restart', undefined, back);
        });
        let restarting: ReturnType<typeof scheduler.after> | undefined;
        return () => {
          scheduler.cancel(set);
          if (restarting !== undefined) scheduler.cancel(restarting);
          back();
        };
      }),
    );
  },
  lastsMs: ({ age, restart: when }) => age + when,
});

const pause = defineFault({
  name: 'process.pause',
  summary: 'SIGSTOP, VM migration, a long garbage collection: nothing runs, the clock goes on, sockets buffer.',
  schema: z.strictObject({}),
  describe: (_, targets) => `${targets.join(', ')} paused`,
  apply: (context) =>
    healAll(
      machinesOf(context).map((machine) => {
        const paused = machine.process;
        paused?.pause();
        return () => paused?.resume();
      }),
    ),
});

const slow = defineFault({
  name: 'process.slow',
  summary: 'Every turn of the event loop takes longer: a starved or throttled CPU.',
  schema: z.strictObject({
    factor: z.number().min(1).describe('how many times as long a turn takes; a turn takes about 2 µs'),
    cause: z
      .enum(['machine', 'process'])
      .prefault('machine')
      .describe('what is slow: the machine, whoever runs on it; or this process, until it ends'),
  }),
  describe: (p, targets) => `turns of ${targets.join(', ')} take ${p.factor} times as long`,
  apply: (context, p) =>
    healAll(
      machinesOf(context).map((machine) => {
        machine.slow(machine.slowFactor * p.factor);
        let isOver = false;
        const heal = (): void => {
          if (!isOver) machine.slow(machine.slowFactor / p.factor);
          isOver = true;
        };
        if (p.cause === 'process') machine.process?.onDeath(heal);
        return heal;
      }),
    ),
});

/** How often a process's memory is compared with its limit. */
const MEMORY_CHECK_MS = 100;

const memory = defineFault({
  name: 'process.memory',
  summary: 'The process may use less memory, or leaks it until it ends: crossing the limit is an out-of-memory kill.',
  schema: z.strictObject({
    ...restart,
    limit: bytes.optional().describe('bytes at which the kernel kills; default: the memory of the machine'),
    leakPerSecond: bytes.prefault(0).describe('bytes that each process leaks a second, from its start or the fault'),
  }),
  describe: (p, targets) => {
    const limit = p.limit === undefined ? '' : ` has ${formatBytes(p.limit)} of memory`;
    const leak = p.leakPerSecond === 0 ? '' : ` leaks ${formatBytes(p.leakPerSecond)}/s`;
    return `${targets.join(', ')}${limit}${limit !== '' && leak !== '' ? ' and' : ''}${leak}`;
  },
  apply: (context, p) => {
    const { scheduler, trace } = context.world;
    return healAll(
      machinesOf(context).map((machine) => {
        let watched: SimProcess | undefined;
        let restarting: Heal | undefined;
        let healedMs: number | undefined;
        const watch = (): void => {
          if (machine.process === watched) return;
          watched = machine.process;
          const sinceMs = scheduler.now;
          // What has leaked stays when the fault is healed: only a new process is without it.
          watched?.leak(() => (p.leakPerSecond * ((healedMs ?? scheduler.now) - sinceMs)) / 1000);
        };
        const check = (): void => {
          watch();
          if (watched !== undefined && watched.usedBytes > (p.limit ?? machine.memoryBytes)) {
            trace.fault('out of memory', watched.traceName, '');
            restarting = crash({ ...context, targets: [machine.name] }, p.restart, () => machine.kill('out of memory'));
          }
          event = scheduler.after(MEMORY_CHECK_MS, 'memory check', undefined, check);
        };
        watch();
        let event = scheduler.after(MEMORY_CHECK_MS, 'memory check', undefined, check);
        return () => {
          healedMs ??= scheduler.now;
          scheduler.cancel(event);
          void restarting?.();
        };
      }),
    );
  },
});

/** Every fault of processes. */
export const processFaults: readonly FaultDefinition[] = [kill, powerLoss, wipe, oldDisk, pause, slow, memory];
