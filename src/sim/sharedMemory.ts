import type { Millis } from '../host/clock.ts';
import { gatherRuns } from '../host/gather.ts';
import { LockTable } from '../host/lockTable.ts';
import type { RandomStream } from '../host/random.ts';
import {
  checkRegionBytes,
  checkRegionName,
  type LivenessEvidence,
  type ProcessIdentity,
  type Region,
  type RegionOptions,
  regionLocks,
  type SharedMemory,
  SharedMemoryError,
  type TuningRow,
} from '../host/sharedMemory.ts';
import type { ScheduledEvent } from './eventHeap.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

/** Time that a call on names takes. */
const CALL_MS: Millis = 0.01;

/** The one pid namespace of a simulated machine. */
const PID_SPACE = 1;

/** Clock ticks of a second, as Linux counts a process's start. */
const TICKS_PER_MS = 0.1;

type WaitResult = 'woken' | 'changed' | 'timeout';

interface Waiter {
  readonly word: number;
  readonly process: SimProcess;
  /** The region through which it waits: a process may have several of one memory, and close one. */
  readonly user: object;
  readonly settle: (result: WaitResult) => void;
  readonly timeout: ScheduledEvent | undefined;
}

/** The memory of a region and who uses it. */
interface Segment {
  readonly memory: SharedArrayBuffer;
  readonly waiters: Set<Waiter>;
}

/** A process that the kernel knows by its pid, and who it is to the others. */
interface Participant {
  readonly process: { readonly alive: boolean };
  readonly identity: ProcessIdentity;
}

/** What is wrong with a machine's shared memory: faults set it. */
export interface MemoryTroubles {
  /** Share of wakes that reach nobody, 0 to 1. */
  wakesLost: number;
  /** Share of waits that end for nothing, 0 to 1. */
  waitsSpurious: number;
  /** No huge page is free. */
  noHugePages: boolean;
  /** The kernel locks no pages. */
  noMemoryLock: boolean;
}

/** A region of this size or more takes huge pages by itself. */
const HUGE_PAGE_BYTES = 2 * 2 ** 20;

/** Longest time after which a wait ends for nothing. */
const SPURIOUS_MS: Millis = 1;

/** Regions of one machine. They outlive processes; a power loss clears them. */
export class MachineSharedMemory {
  readonly #world: World;
  readonly #machine: string;
  #segments = new Map<string, Segment>();
  #locks = new LockTable<SimProcess>();
  #participants = new Map<number, Participant>();
  #boots = 1;
  /** What is wrong now. */
  readonly troubles: MemoryTroubles = { wakesLost: 0, waitsSpurious: 0, noHugePages: false, noMemoryLock: false };
  /** Machines and containers whose processes' locks outlive them, with what lets go of those that did. */
  readonly #inherited = new Map<string, (() => void)[]>();

  constructor(world: World, machine: string) {
    this.#world = world;
    this.#machine = machine;
  }

  /** The power goes: nothing stays, and the next boot has another number. */
  clear(): void {
    // Whoever has inherited locks is gone with the rest.
    for (const kept of this.#inherited.values()) for (const release of kept.splice(0)) release();
    this.#segments = new Map();
    this.#locks = new LockTable();
    this.#participants = new Map();
    this.#boots++;
  }

  /** Names of the regions that are there. */
  get names(): readonly string[] {
    return [...this.#segments.keys()];
  }

  /** The memory under a name as it stands, for the stand and for faults; undefined if there is none. */
  memoryOf(name: string): SharedArrayBuffer | undefined {
    return this.#segments.get(name)?.memory;
  }

  /** Puts other memory under a name; whoever has the former one attached keeps it. Returns how to put back what was there. */
  replace(name: string, bytes: Uint8Array): () => void {
    const before = this.#segments.get(name);
    const memory = new SharedArrayBuffer(bytes.byteLength);
    new Uint8Array(memory).set(bytes);
    const planted: Segment = { memory, waiters: new Set() };
    this.#segments.set(name, planted);
    return () => {
      // Whoever has replaced it meanwhile has put it right.
      if (this.#segments.get(name) !== planted) return;
      if (before === undefined) this.#segments.delete(name);
      else this.#segments.set(name, before);
    };
  }

  /** The boot has another number from now on, as after one that memory has survived: every region is of an earlier one. */
  age(): void {
    this.#boots++;
  }

  /** From now on the locks of a machine's or a container's processes outlive them, in a child that has their descriptors, until this is undone. */
  inheritLocks(machine: string): () => void {
    const kept: (() => void)[] = this.#inherited.get(machine) ?? [];
    this.#inherited.set(machine, kept);
    return () => {
      this.#inherited.delete(machine);
      for (const release of kept.splice(0)) release();
    };
  }

  /** Calls `fn` when the locks of a process that is dying are released: at once, unless they outlive it. */
  afterLocks(process: SimProcess, fn: () => void): void {
    const kept = this.#inheritorOf(process);
    // What a process has lost nobody inherits.
    if (kept === undefined || this.#lost.has(process)) fn();
    else kept.push(fn);
  }

  /** Whether locks of processes outlive them now. */
  get locksOutlive(): boolean {
    return this.#inherited.size > 0;
  }

  /** Where the releases of the locks of a process that dies are kept; undefined: they are released. */
  #inheritorOf(process: SimProcess): (() => void)[] | undefined {
    return this.#inherited.get(process.machine.name);
  }

  /** A process has all its locks no more, and goes on: somebody has closed its descriptor. */
  loseLocks(process: SimProcess): void {
    for (const lose of this.#losers.get(process) ?? []) lose();
    this.#lost.add(process);
  }

  /** Processes that have lost their locks. */
  readonly #lost = new WeakSet<SimProcess>();

  readonly #losers = new WeakMap<SimProcess, Set<() => void>>();

  /** A process that has nothing to do with this memory starts under a pid that nobody has. Returns what ends it; false if somebody has the pid. */
  occupyPid(pid: number): (() => void) | false {
    if (this.#participants.get(pid)?.process.alive === true) return false;
    const stranger = { alive: true };
    const identity = { pid, startTicks: Math.floor(this.#world.now * TICKS_PER_MS), pidSpace: PID_SPACE };
    this.#participants.set(pid, { process: stranger, identity });
    return () => {
      stranger.alive = false;
    };
  }

  /** Shared memory as one process sees it. */
  of(process: SimProcess): SharedMemory {
    const startTicks = Math.floor(this.#world.now * TICKS_PER_MS);
    const identity: ProcessIdentity = { pid: process.pid, startTicks, pidSpace: PID_SPACE };
    // Of two processes with one pid the later is the one that has it.
    this.#participants.set(process.pid, { process, identity });
    return {
      open: (name, bytes, options) => process.io('shm open', CALL_MS, () => this.#open(process, name, bytes, options)),
      rename: (from, to) => process.io('shm rename', CALL_MS, () => this.#rename(from, to)),
      remove: (name) =>
        process.io('shm remove', CALL_MS, () => {
          if (!this.#segments.delete(name)) throw new SharedMemoryError('ENOENT', 'remove', name);
        }),
      stat: (name) =>
        process.io('shm stat', CALL_MS, () => {
          const segment = this.#segments.get(name);
          return segment === undefined ? undefined : { bytes: segment.memory.byteLength, backing: 'sim' };
        }),
      identity: () => identity,
      bootId: () => [this.#boots, ...machineNumbers(this.#machine)],
    };
  }

  #rename(from: string, to: string): void {
    checkRegionName('rename', to);
    const segment = this.#segments.get(from);
    if (segment === undefined) throw new SharedMemoryError('ENOENT', 'rename', from);
    this.#segments.delete(from);
    this.#segments.set(to, segment);
  }

  #open(process: SimProcess, name: string, bytes: number, options: RegionOptions): Region {
    checkRegionName('open', name);
    checkRegionBytes('open', name, bytes);
    const backing = options.backing ?? 'auto';
    // A memfd is what asks for huge pages and is made without them where there are none.
    if (backing !== 'auto' && backing !== 'sim' && backing !== 'memfd') {
      throw new SharedMemoryError('ENOTSUP', 'open', name, `backing ${backing}: ${this.#machine} is simulated`);
    }
    let segment = this.#segments.get(name);
    if (segment === undefined) {
      if (options.mode === 'open') throw new SharedMemoryError('ENOENT', 'open', name);
      segment = { memory: new SharedArrayBuffer(bytes), waiters: new Set() };
      this.#segments.set(name, segment);
    } else if (options.mode === 'create-new') {
      throw new SharedMemoryError('EEXIST', 'open', name);
    } else if (segment.memory.byteLength < bytes) {
      const detail = `the region has ${segment.memory.byteLength} bytes, ${bytes} were asked for`;
      throw new SharedMemoryError('EINVAL', 'open', name, detail);
    }
    this.#world.trace.io('shm open', process.traceName, bytes);
    return createRegion({
      world: this.#world,
      machine: this.#machine,
      process,
      name,
      segment,
      size: bytes,
      options,
      locks: this.#locks,
      processOf: (holder) => this.#processOf(holder),
      troubles: this.troubles,
      inheritor: () => this.#inheritorOf(process),
      onLoss: (lose) => {
        const losers = this.#losers.get(process) ?? new Set();
        this.#losers.set(process, losers.add(lose));
      },
    });
  }

  /** What the kernel of this machine knows of a process. */
  #processOf(holder: ProcessIdentity): LivenessEvidence['process'] {
    if (holder.pidSpace !== PID_SPACE) return 'unknown';
    const known = this.#participants.get(holder.pid);
    if (known === undefined || !known.process.alive) return 'gone';
    return known.identity.startTicks === holder.startTicks ? 'running' : 'other';
  }
}

/** Three words that tell this machine from the others (FNV-1a over its name). */
function machineNumbers(machine: string): [number, number, number] {
  let hash = 0x811c9dc5;
  for (let i = 0; i < machine.length; i++) hash = Math.imul(hash ^ machine.charCodeAt(i), 0x01000193) >>> 0;
  return [hash, machine.length, 0];
}

interface RegionParts {
  readonly world: World;
  readonly machine: string;
  readonly process: SimProcess;
  readonly name: string;
  readonly segment: Segment;
  readonly size: number;
  readonly options: RegionOptions;
  readonly locks: LockTable<SimProcess>;
  readonly processOf: (holder: ProcessIdentity) => LivenessEvidence['process'];
  readonly troubles: MemoryTroubles;
  /** Where the release of the locks is kept when the process dies; undefined: they are released. */
  readonly inheritor: () => (() => void)[] | undefined;
  /** Told how to take the locks away. */
  readonly onLoss: (lose: () => void) => void;
}

function createRegion(parts: RegionParts): Region {
  const { world, machine, process, name, segment, size, options, locks, troubles } = parts;
  const words = new Int32Array(segment.memory, 0, size / 4);
  const lockName = options.lockName ?? name;
  const user = {};
  let open = true;
  const release = (): void => {
    open = false;
    forget();
    const kept = process.alive ? undefined : parts.inheritor();
    if (kept === undefined) locks.release(lockName, user);
    else kept.push(() => locks.release(lockName, user));
    for (const waiter of segment.waiters) {
      if (waiter.user !== user) continue;
      segment.waiters.delete(waiter);
      if (waiter.timeout !== undefined) world.scheduler.cancel(waiter.timeout);
      // Of a dead process nobody is left to hear it.
      if (process.alive) waiter.settle('timeout');
    }
  };
  const forget = process.onDeath(release);
  parts.onLoss(() => locks.release(lockName, user));
  const luck = (): RandomStream => world.random.stream(`shm/${machine}`);
  const checkLock = (operation: string, index: number): void => {
    if (!Number.isInteger(index) || index < 0 || index >= regionLocks) {
      throw new SharedMemoryError('EINVAL', operation, name, `expected a lock of 0..${regionLocks - 1}, got ${index}`);
    }
    if (!open) throw new SharedMemoryError('EINVAL', operation, name, 'the region is closed');
  };
  const checkWord = (word: number): void => {
    if (!Number.isInteger(word) || word < 0 || word >= words.length) {
      throw new SharedMemoryError('EINVAL', 'wait', name, `expected a word of 0..${words.length - 1}, got ${word}`);
    }
  };

  // What came of it is decided when the memory is made or opened, as by a kernel.
  const tuning = tuningOf(size, options, troubles);
  return {
    name,
    backing: 'sim',
    bytes: new Uint8Array(segment.memory, 0, size),
    words,
    step: (point) => process.step(point),
    gather: (runs, count, to) => gatherRuns(name, words, runs, count, to),
    wait(word, expected) {
      checkWord(word);
      if (Atomics.load(words, word) !== expected) return 'changed';
      // Everything runs on one thread here: whoever blocks it can never be woken.
      throw new SharedMemoryError('ENOTSUP', 'wait', name, 'a simulated process cannot block; use waitAsync');
    },
    waitAsync(word, expected, timeoutMs) {
      checkWord(word);
      // What a dead process would do is seen by nobody.
      if (!open && process.alive) {
        return Promise.reject(new SharedMemoryError('EINVAL', 'waitAsync', name, 'the region is closed'));
      }
      if (Atomics.load(words, word) !== expected) return Promise.resolve('changed');
      return new Promise((resolve) => {
        const waiter: Waiter = {
          word,
          process,
          user,
          settle: resolve,
          timeout: Number.isFinite(timeoutMs)
            ? world.scheduler.after(timeoutMs, 'shm timeout', process, () => {
                segment.waiters.delete(waiter);
                resolve('timeout');
              })
            : undefined,
        };
        segment.waiters.add(waiter);
        if (troubles.waitsSpurious === 0 || !luck().chance(troubles.waitsSpurious)) return;
        world.scheduler.after(luck().float() * Math.min(SPURIOUS_MS, timeoutMs), 'shm spurious wake', process, () => {
          if (!segment.waiters.delete(waiter)) return;
          if (waiter.timeout !== undefined) world.scheduler.cancel(waiter.timeout);
          resolve('woken');
        });
      });
    },
    wake(word, count) {
      checkWord(word);
      if (!process.alive) return 0;
      let woken = 0;
      if (troubles.wakesLost > 0 && luck().chance(troubles.wakesLost)) {
        world.trace.fault('shm wake lost', process.traceName, String(word));
        return 0;
      }
      for (const waiter of segment.waiters) {
        if (woken >= count) break;
        if (waiter.word !== word) continue;
        segment.waiters.delete(waiter);
        if (waiter.timeout !== undefined) world.scheduler.cancel(waiter.timeout);
        waiter.process.deliver('shm wake', () => waiter.settle('woken'));
        woken++;
      }
      world.trace.io('shm wake', process.traceName, woken);
      return woken;
    },
    lock(index, mode) {
      checkLock('lock', index);
      return locks.lock(lockName, index, process, user, mode);
    },
    unlock(index) {
      checkLock('unlock', index);
      locks.unlock(lockName, index, user);
    },
    evidence(index, holder) {
      checkLock('evidence', index);
      const held = locks.holder(lockName, index) !== undefined;
      return { lock: held ? 'held' : 'free', process: parts.processOf(holder) };
    },
    tuning: () => tuning,
    close() {
      if (open) release();
    },
  };
}

function tuningOf(size: number, options: RegionOptions, troubles: MemoryTroubles): readonly TuningRow[] {
  const row = (name: string, requested: string, wanted: boolean, refusal: string): TuningRow => ({
    name,
    requested,
    applied: wanted && refusal === '' ? 'yes' : 'no',
    reason: wanted ? refusal : '',
  });
  const huge = options.hugePages;
  const wantsHuge = huge ?? size >= HUGE_PAGE_BYTES;
  const hasHuge = wantsHuge && !troubles.noHugePages;
  const pages = Math.ceil(size / HUGE_PAGE_BYTES);
  const noPages = `${pages} huge pages of 2 MiB are needed and 0 are free: sysctl vm.nr_hugepages=${pages}`;
  const noLock = `ENOMEM: ${size} bytes are above the limit of locked memory (RLIMIT_MEMLOCK): raise it`;
  const node = options.numaNode;
  return [
    { name: 'backing', requested: options.backing ?? 'auto', applied: 'sim', reason: '' },
    {
      name: 'hugePages',
      requested: huge === undefined ? 'auto' : huge ? 'yes' : 'no',
      applied: hasHuge ? 'yes' : 'no',
      // Who leaves it to the machine misses nothing.
      reason: wantsHuge && !hasHuge && (huge === true || options.backing === 'memfd') ? noPages : '',
    },
    row(
      'lockMemory',
      options.lockMemory === true ? 'yes' : 'no',
      options.lockMemory === true,
      troubles.noMemoryLock ? noLock : '',
    ),
    {
      name: 'numaNode',
      requested: node === undefined ? 'none' : String(node),
      applied: node === undefined ? 'none' : String(node),
      reason: '',
    },
  ];
}
