import type { Millis } from '../../host/clock.ts';
import { DiskError, type DiskErrorCode, type DiskOperation, type DiskUsage } from '../../host/disk.ts';
import type { RandomStream } from '../../host/random.ts';
import type { PowerLossMode } from '../devices.ts';
import type { SimRandom } from '../random.ts';
import type { Scheduler } from '../scheduler.ts';
import type { Trace } from '../trace.ts';
import type { DiskEvent, DiskObserver } from './events.ts';
import { FileNode } from './fileNode.ts';
import { DirectoryNode, NameTable, type Node } from './names.ts';
import { resolvePowerLoss } from './powerLoss.ts';
import { RuleBook } from './rules.ts';
import type { DeviceCounters } from './statistics.ts';
import { type DeviceModel, DeviceQueue, defaultModel } from './timing.ts';

/** What a device needs of its world and its machine. */
export interface DeviceEnvironment {
  readonly scheduler: Scheduler;
  readonly random: SimRandom;
  readonly trace: Trace;
  readonly machine: string;
  /** Wall time of the machine, for what `stat` shows. */
  readonly wall: () => number;
  /** Orders the events of all devices of the machine. */
  readonly nextOrder: () => number;
}

export interface DeviceOptions {
  /** Size of the file system. Default 64 GiB. */
  readonly bytes?: number;
  /** Files and directories that fit. Default 1,000,000. */
  readonly inodes?: number;
  readonly model?: Partial<DeviceModel>;
  /**
   * Clean bytes of its files that the page cache holds: as soon as more have been read or synced since the last time, all
   * clean pages are dropped (coarser than a kernel's, but no larger). Default: no bound, nothing is ever dropped.
   */
  readonly cacheBytes?: number;
}

/** A handle that wants to hear of errors of write-back (variant `lost`). */
export interface ErrorListener {
  pendingError: DiskErrorCode | undefined;
}

/** Content of the files of a device, by path relative to its root. */
export type DiskImage = ReadonlyMap<string, Uint8Array>;

/** One block device with a file system on it: names, files in their layers, a queue, faults, counters, observers. */
export class Device {
  readonly name: string;
  /** What `stat` reports: two paths with equal numbers share a disk. */
  readonly number: number;
  readonly environment: DeviceEnvironment;
  readonly queue: DeviceQueue;
  readonly rules = new RuleBook();
  /** Draws of faults; a fault that is off draws nothing. */
  readonly faultRandom: RandomStream;
  /** Open handles by file. */
  readonly handles = new Map<FileNode, Set<ErrorListener>>();
  names: NameTable;
  /** Sectors that rot has hit so far, mended or not. */
  rottedSectors = 0;
  /** How often a call moved fewer bytes than it was asked to. */
  shortTransfers = 0;
  /** Grows with every power loss and wipe: what was under way before is void. */
  epoch = 0;
  readonly #totalBytes: number;
  readonly #totalInodes: number;
  readonly #cacheBytes: number;
  /** Bytes that came into the page cache since clean pages were dropped last. */
  #cameIn = 0;
  readonly #powerRandom: RandomStream;
  readonly #observers = new Set<DiskObserver>();
  readonly #fills = new Map<number, { bytes: number; inodes: number }>();
  #nextNode = 1;
  #used: { bytes: number; inodes: number } | undefined;
  #paths = new Map<Node, string>();

  constructor(environment: DeviceEnvironment, name: string, number: number, options: DeviceOptions = {}) {
    this.environment = environment;
    this.name = name;
    this.number = number;
    this.#totalBytes = options.bytes ?? 64 * 2 ** 30;
    this.#totalInodes = options.inodes ?? 1_000_000;
    this.#cacheBytes = options.cacheBytes ?? Number.POSITIVE_INFINITY;
    const stream = (purpose: string) => environment.random.stream(`disk/${environment.machine}/${name}/${purpose}`);
    this.faultRandom = stream('faults');
    this.#powerRandom = stream('power-loss');
    const model = { ...defaultModel, ...options.model };
    this.queue = new DeviceQueue(environment.scheduler, stream('timing'), `disk ${name}`, model);
    this.names = new NameTable(this.newDirectory());
  }

  /** Counters as the kernel keeps them, up to now. */
  get statistics(): DeviceCounters {
    return this.queue.statistics.read();
  }

  /** Calls `fn` with everything that happens on this device; returns how to stop that. */
  observe(fn: DiskObserver): () => void {
    this.#observers.add(fn);
    return () => this.#observers.delete(fn);
  }

  /** Tells the observers; the event is only made when there are some. */
  emit(make: () => Omit<DiskEvent, 'order' | 'atMs' | 'machine' | 'device'>): void {
    if (this.#observers.size === 0) return;
    const event: DiskEvent = {
      order: this.environment.nextOrder(),
      atMs: this.environment.scheduler.now,
      machine: this.environment.machine,
      device: this.name,
      ...make(),
    };
    for (const observer of this.#observers) observer(event);
  }

  newFile(): FileNode {
    this.#nextNode += 1;
    return new FileNode(this.#nextNode, this.environment.wall());
  }

  newDirectory(): DirectoryNode {
    this.#nextNode += 1;
    return new DirectoryNode(this.#nextNode, this.environment.wall());
  }

  /** Makes a directory and its parents, durable at once: how a machine is set up, not what a process does. */
  installDirectory(relative: string): DirectoryNode {
    let directory = this.names.root;
    for (const part of relative.split('/').filter((name) => name !== '')) {
      let next = directory.entries.get(part);
      if (next === undefined) {
        next = this.newDirectory();
        directory.entries.set(part, next);
        directory.durable.set(part, next);
        this.namesChanged();
      }
      if (next.kind !== 'directory')
        throw new Error(`install ${relative}: expected a directory at ${part}, got a file`);
      directory = next;
    }
    return directory;
  }

  /** Must be called after every change of names or of the space that files take. */
  namesChanged(): void {
    this.#used = undefined;
    this.#paths.clear();
  }

  /** Must be called after a file got shorter. */
  spaceChanged(): void {
    this.#used = undefined;
  }

  /** Path of a node relative to the root of this device, `undefined` once it has no name. */
  relativePath(node: Node): string | undefined {
    const known = this.#paths.get(node);
    if (known !== undefined) return known;
    const path = this.names.pathOf(node);
    if (path !== undefined) this.#paths.set(node, path);
    return path;
  }

  /** Space now. A removed file gives its space back at once, open or not. */
  usage(): DiskUsage {
    const used = this.#usage();
    const taken = { bytes: 0, inodes: 0 };
    for (const fill of this.#fills.values()) {
      taken.bytes = Math.max(taken.bytes, fill.bytes);
      taken.inodes = Math.max(taken.inodes, fill.inodes);
    }
    return {
      freeBytes: Math.max(0, this.#totalBytes - used.bytes - taken.bytes),
      totalBytes: this.#totalBytes,
      freeInodes: Math.max(0, this.#totalInodes - used.inodes - taken.inodes),
    };
  }

  /** Sets space aside up to `end` bytes of the file; false when there is not enough. */
  reserve(file: FileNode, end: number): boolean {
    const need = end - file.reservedTo;
    if (need <= 0) return true;
    if (need > this.usage().freeBytes) return false;
    file.reservedTo = end;
    this.#usage().bytes += need;
    return true;
  }

  /**
   * Somebody else takes all but so much of the free space, until the returned function is called. Several do not add up, the largest
   * counts: the end of one leaves the others' disk as full as it was, in whatever order they came and end.
   */
  fill(leave: { freeBytes?: number; freeInodes?: number }): () => void {
    const used = this.#usage();
    const freeBytes = this.#totalBytes - used.bytes;
    const freeInodes = this.#totalInodes - used.inodes;
    const id = this.rules.reserveId();
    this.#fills.set(id, {
      bytes: leave.freeBytes === undefined ? 0 : Math.max(0, freeBytes - leave.freeBytes),
      inodes: leave.freeInodes === undefined ? 0 : Math.max(0, freeInodes - leave.freeInodes),
    });
    return () => {
      this.#fills.delete(id);
    };
  }

  /** Refuses an operation on a device that is gone, or a change on one that is read-only. */
  check(operation: DiskOperation, path: string, changes: boolean): void {
    if (this.rules.isEmpty) return;
    const name = () => path;
    if (this.rules.of('gone', name).length > 0) throw new DiskError('ENODEV', operation, path);
    if (changes && this.rules.of('read-only', name).length > 0) throw new DiskError('EROFS', operation, path);
  }

  /** Runs `fn` after `delayMs` unless the power goes before. */
  later(delayMs: Millis, label: string, fn: () => void): void {
    const { epoch } = this;
    this.environment.scheduler.after(delayMs, label, undefined, () => {
      if (epoch === this.epoch) fn();
    });
  }

  /** Drops the clean pages of all files: as after memory pressure, reads come from the device again. */
  evict(): void {
    for (const file of this.names.files().values()) file.evict();
  }

  /** Must be told of clean bytes that come to be in the page cache, by reading or by a sync. */
  cached(bytes: number): void {
    this.#cameIn += bytes;
    if (this.#cameIn <= this.#cacheBytes) return;
    this.#cameIn = 0;
    this.evict();
  }

  /** Every cache is lost; what no sync covered is resolved by mode. */
  powerLoss(mode: PowerLossMode): void {
    this.epoch += 1;
    this.queue.reset();
    this.handles.clear();
    this.names.powerLoss(mode, this.#powerRandom);
    this.namesChanged();
    for (const file of new Set(this.names.files().values())) resolvePowerLoss(file, mode, this.#powerRandom);
    this.namesChanged();
    this.emit(() => ({
      kind: 'power-loss',
      incarnation: 0,
      path: '',
      file: 0,
      operation: 0,
      offset: 0,
      bytes: 0,
      mode,
    }));
  }

  /** A new, empty device under the same name and number. Faults of operations stay on. */
  wipe(): void {
    this.epoch += 1;
    this.queue.reset();
    this.handles.clear();
    this.names = new NameTable(this.newDirectory());
    this.namesChanged();
    this.emit(() => ({ kind: 'wipe', incarnation: 0, path: '', file: 0, operation: 0, offset: 0, bytes: 0 }));
  }

  /** Copies what is on the medium now, by path: what a snapshot of a virtual disk holds. */
  image(): DiskImage {
    const files = [...this.names.files()];
    // What was cut off is gone, though nobody has synced that: else files that were made shorter would fill the copy.
    return new Map(files.map(([path, file]) => [path, file.media.slice(0, Math.min(file.length, file.mediaLength))]));
  }

  /** The disk is what it was when the image was taken; observers are told of a wipe, and nothing of what comes back. */
  restore(image: DiskImage): void {
    this.wipe();
    for (const [path, bytes] of image) {
      const at = path.lastIndexOf('/');
      const directory = this.installDirectory(path.slice(0, Math.max(0, at)));
      const file = this.newFile();
      file.media.write(0, bytes);
      file.mediaLength = bytes.byteLength;
      file.dropCache();
      directory.entries.set(path.slice(at + 1), file);
      directory.durable.set(path.slice(at + 1), file);
    }
    this.namesChanged();
  }

  #usage(): { bytes: number; inodes: number } {
    if (this.#used === undefined) {
      const directories = this.names.directories('live');
      let bytes = 0;
      let inodes = directories.length;
      for (const { entries } of directories) {
        for (const node of entries.values()) {
          if (node.kind !== 'file') continue;
          bytes += node.reservedTo;
          inodes++;
        }
      }
      this.#used = { bytes, inodes };
    }
    return this.#used;
  }
}
