import type { Disk, DiskFile, OpenOptions } from '../../../src/host/disk.ts';
import type { DiskClient } from '../../../src/sim/disk/client.ts';
import { createDeviceTable, type DeviceTable } from '../../../src/sim/disk/deviceTable.ts';
import { SimRandom } from '../../../src/sim/random.ts';
import { Scheduler } from '../../../src/sim/scheduler.ts';
import { Trace } from '../../../src/sim/trace.ts';

/** A process of the rig: it can be killed. */
export interface RigProcess {
  readonly disk: Disk;
  readonly client: DiskClient;
  kill(): void;
}

/** A machine's disks without the machine: a scheduler, a trace, and processes by hand. */
export interface Rig {
  readonly table: DeviceTable;
  readonly scheduler: Scheduler;
  readonly trace: Trace;
  readonly disk: Disk;
  readonly process: RigProcess;
  start(): RigProcess;
  /** Runs the world until the promise has settled. */
  settle<T>(promise: Promise<T>): Promise<T>;
  open(path: string, options?: Partial<OpenOptions>): Promise<DiskFile>;
  /** A file with synced content and name. */
  durable(path: string, content: Uint8Array): Promise<DiskFile>;
  /** What a new process reads of the file. */
  content(path: string, options?: Partial<OpenOptions>): Promise<Uint8Array>;
}

export function createRig(seed = 1): Rig {
  const trace = new Trace({ record: false });
  const scheduler = new Scheduler(seed, trace);
  const random = new SimRandom(seed, trace);
  const table = createDeviceTable({ scheduler, random, trace, machine: 'm', wall: () => 1e12 + scheduler.now });
  let incarnation = 0;

  function start(): RigProcess {
    incarnation += 1;
    const deaths = new Set<() => void>();
    let alive = true;
    const client: DiskClient = {
      traceName: `m#${incarnation}`,
      incarnation,
      pid: 100 + incarnation,
      get alive() {
        return alive;
      },
      deliver: (label, fn) => {
        scheduler.after(0, label, undefined, () => {
          if (alive) fn();
        });
      },
      onDeath: (fn) => {
        deaths.add(fn);
        return () => deaths.delete(fn);
      },
    };
    return {
      disk: table.diskOf(client),
      client,
      kill: () => {
        alive = false;
        for (const fn of deaths) fn();
      },
    };
  }

  const process = start();

  async function settle<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    promise.then(done, done);
    await scheduler.run({ until: () => settled });
    if (!settled) throw new Error('the world has no more events and the promise has not settled');
    return promise;
  }

  const rig: Rig = {
    table,
    scheduler,
    trace,
    disk: process.disk,
    process,
    start,
    settle,
    open: (path, options) => settle(process.disk.open(path, { mode: 'create', ...options })),
    durable: async (path, content) => {
      const file = await rig.open(path);
      await settle(file.write(0, [content], { durable: true }));
      await settle(process.disk.syncDirectory(path.slice(0, path.lastIndexOf('/')) || '/'));
      return file;
    },
    content: async (path, options) => {
      const { disk } = start();
      const file = await settle(disk.open(path, { mode: 'read', ...options }));
      const into = new Uint8Array(await settle(file.size()));
      await settle(file.read(0, into));
      return into;
    },
  };
  return rig;
}
