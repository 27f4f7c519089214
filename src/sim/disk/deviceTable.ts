import type { Disk } from '../../host/disk.ts';
import type { MachineDevices, PowerLossMode } from '../devices.ts';
import type { SimRandom } from '../random.ts';
import type { Scheduler } from '../scheduler.ts';
import type { Trace } from '../trace.ts';
import type { DiskClient } from './client.ts';
import { Device, type DeviceEnvironment, type DeviceOptions } from './device.ts';
import type { DiskObserver } from './events.ts';
import type { FileNode } from './fileNode.ts';
import { createSimDisk, type Resolved } from './simDisk.ts';

export interface DeviceTableOptions {
  readonly scheduler: Scheduler;
  readonly random: SimRandom;
  readonly trace: Trace;
  /** Name of the machine. */
  readonly machine: string;
  /** Wall time of the machine. */
  readonly wall: () => number;
}

/**
 * The devices of one machine and where they are mounted. A new table has one device, `root`, mounted on `/`. Everything
 * here outlives processes.
 */
export class DeviceTable implements MachineDevices {
  readonly #environment: DeviceEnvironment;
  readonly #devices = new Map<string, Device>();
  /** Devices by the directory that they are mounted on, without a slash at the end; '' is the root. */
  readonly #mounts = new Map<string, Device>();
  /** The device that a new machine boots from, until another is mounted on `/`. */
  #builtIn: Device | undefined;
  #added = 0;
  #order = 0;
  #operation = 0;

  constructor(options: DeviceTableOptions) {
    this.#environment = {
      ...options,
      nextOrder: () => {
        this.#order += 1;
        return this.#order;
      },
    };
    this.#builtIn = this.addDevice('root');
    this.#mounts.set('', this.#builtIn);
  }

  /** Devices by name, in the order in which they were added. */
  get devices(): ReadonlyMap<string, Device> {
    return this.#devices;
  }

  /** Devices by the directory that they are mounted on. */
  get mounts(): ReadonlyMap<string, Device> {
    return new Map([...this.#mounts].map(([path, device]) => [path === '' ? '/' : path, device]));
  }

  /** Adds an empty device, not mounted anywhere. Throws if the name is taken. */
  addDevice(name: string, options?: DeviceOptions): Device {
    if (this.#devices.has(name)) throw new Error(`device ${name}: expected a new name, there is one of this name`);
    this.#added += 1;
    const device = new Device(this.#environment, name, this.#added, options);
    this.#devices.set(name, device);
    return device;
  }

  /** The device of this name. Throws if there is none. */
  device(name: string): Device {
    const device = this.#devices.get(name);
    if (device === undefined) {
      throw new Error(`device ${name} of ${this.#environment.machine}: expected one of ${[...this.#devices.keys()]}`);
    }
    return device;
  }

  /**
   * Mounts a device on a directory, which is made (durably) on the device below if it is missing. What the directory held
   * is hidden until `unmount`. Throws if something is mounted there already; but a first device on `/` takes the place of
   * the built-in `root`, which is gone then.
   */
  mount(path: string, device: Device): void {
    const at = normalize(path);
    if (at === '' && this.#builtIn !== undefined) {
      this.#devices.delete(this.#builtIn.name);
      this.#mounts.delete('');
      this.#builtIn = undefined;
      this.#mounts.set('', device);
      for (const mounted of this.#mounts.keys()) device.installDirectory(mounted);
      return;
    }
    if (this.#mounts.has(at)) throw new Error(`mount ${path}: expected a free directory, a device is mounted there`);
    const below = this.#resolve(at);
    if (below === undefined) throw new Error(`mount ${path}: expected an absolute path below a mounted device`);
    below.device.installDirectory(below.relative);
    this.#mounts.set(at, device);
  }

  /** Takes the device away: the path shows the bare directory of the device below. Open files stay on their device. */
  unmount(path: string): Device {
    const at = normalize(path);
    const device = this.#mounts.get(at);
    if (device === undefined || at === '') throw new Error(`unmount ${path}: expected a mounted directory below /`);
    this.#mounts.delete(at);
    return device;
  }

  /** Where a path leads now; undefined for a relative one. */
  resolve(path: string): Resolved | undefined {
    return this.#resolve(normalize(path));
  }

  /** The device that holds a path now. Throws for a relative path. */
  deviceAt(path: string): Device {
    const place = this.#resolve(normalize(path));
    if (place === undefined) throw new Error(`device at ${path}: expected an absolute path`);
    return place.device;
  }

  /** Every file of the machine by absolute path, with its device. */
  files(): Map<string, { readonly device: Device; readonly file: FileNode }> {
    const found = new Map<string, { readonly device: Device; readonly file: FileNode }>();
    for (const [mount, device] of this.#mounts) {
      for (const [relative, file] of device.names.files()) {
        const path = `${mount}/${relative}`;
        // A file below a directory that something is mounted on is hidden.
        if (this.#resolve(path)?.device === device) found.set(path, { device, file });
      }
    }
    return found;
  }

  /** Calls `fn` with everything that happens on any device that is there now; returns how to stop that. */
  observe(fn: DiskObserver): () => void {
    const stops = [...this.#devices.values()].map((device) => device.observe(fn));
    return () => {
      for (const stop of stops) stop();
    };
  }

  /** The file systems as one process sees them. */
  diskOf(client: DiskClient): Disk {
    return createSimDisk(
      client,
      (path) => this.#resolve(normalize(path)),
      () => {
        this.#operation += 1;
        return this.#operation;
      },
    );
  }

  powerLoss(mode: PowerLossMode): void {
    for (const device of this.#devices.values()) device.powerLoss(mode);
  }

  /** Every device is empty; the directories that devices are mounted on are there again. */
  wipe(): void {
    for (const device of this.#devices.values()) device.wipe();
    for (const path of [...this.#mounts.keys()].sort((a, b) => a.length - b.length)) {
      if (path === '') continue;
      const below = this.#resolve(path.slice(0, path.lastIndexOf('/')));
      below?.device.installDirectory(path.slice(below.mount.length));
    }
  }

  #resolve(path: string): Resolved | undefined {
    for (let mount = path; ; mount = mount.slice(0, mount.lastIndexOf('/'))) {
      const device = this.#mounts.get(mount);
      if (device !== undefined) return { device, mount, relative: path.slice(mount.length + 1) };
      if (!mount.includes('/')) return undefined;
    }
  }
}

/** Without empty parts and without a slash at the end: '' is the root. */
function normalize(path: string): string {
  return path.replace(/\/+/g, '/').replace(/\/$/, '');
}

/** The disk side of a new machine: one device `root` on `/`. */
export function createDeviceTable(options: DeviceTableOptions): DeviceTable {
  return new DeviceTable(options);
}
