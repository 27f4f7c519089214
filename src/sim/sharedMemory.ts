import type { Millis } from '../host/clock.ts';
import { LockTable } from '../host/lockTable.ts';
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
  readonly settle: (result: WaitResult) => void;
  readonly timeout: ScheduledEvent | undefined;
}

/** The memory of a region and who uses it. */
interface Segment {
  readonly memory: SharedArrayBuffer;
  readonly waiters: Set<Waiter>;
}

/** A process that has taken part, and who it was to the others. */
interface Participant {
  readonly process: SimProcess;
  readonly identity: ProcessIdentity;
}

/** Regions of one machine. They outlive processes; a power loss clears them. */
export class MachineSharedMemory {
  readonly #world: World;
  readonly #machine: string;
  #segments = new Map<string, Segment>();
  #locks = new LockTable<SimProcess>();
  #participants = new Map<number, Participant>();
  #boots = 1;

  constructor(world: World, machine: string) {
    this.#world = world;
    this.#machine = machine;
  }

  /** The power goes: nothing stays, and the next boot has another number. */
  clear(): void {
    this.#segments = new Map();
    this.#locks = new LockTable();
    this.#participants = new Map();
    this.#boots++;
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
    if (backing !== 'auto' && backing !== 'sim') {
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
}

function createRegion(parts: RegionParts): Region {
  const { world, machine, process, name, segment, size, options, locks } = parts;
  const words = new Int32Array(segment.memory, 0, size / 4);
  const lockName = options.lockName ?? name;
  const user = {};
  let open = true;
  const release = (): void => {
    open = false;
    forget();
    locks.release(lockName, user);
    for (const waiter of segment.waiters) {
      if (waiter.process !== process) continue;
      segment.waiters.delete(waiter);
      if (waiter.timeout !== undefined) world.scheduler.cancel(waiter.timeout);
    }
  };
  const forget = process.onDeath(release);
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

  return {
    name,
    backing: 'sim',
    bytes: new Uint8Array(segment.memory, 0, size),
    words,
    step: () => {},
    wait(word, expected) {
      checkWord(word);
      if (Atomics.load(words, word) !== expected) return 'changed';
      // Everything runs on one thread here: whoever blocks it can never be woken.
      throw new SharedMemoryError('ENOTSUP', 'wait', name, 'a simulated process cannot block; use waitAsync');
    },
    waitAsync(word, expected, timeoutMs) {
      checkWord(word);
      if (Atomics.load(words, word) !== expected) return Promise.resolve('changed');
      return new Promise((resolve) => {
        const waiter: Waiter = {
          word,
          process,
          settle: resolve,
          timeout: Number.isFinite(timeoutMs)
            ? world.scheduler.after(timeoutMs, 'shm timeout', process, () => {
                segment.waiters.delete(waiter);
                resolve('timeout');
              })
            : undefined,
        };
        segment.waiters.add(waiter);
      });
    },
    wake(word, count) {
      checkWord(word);
      let woken = 0;
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
    lock(index) {
      checkLock('lock', index);
      return locks.lock(lockName, index, process, user);
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
    tuning: () => tuningOf(machine, options),
    close() {
      if (open) release();
    },
  };
}

function tuningOf(machine: string, options: RegionOptions): readonly TuningRow[] {
  const row = (name: string, requested: string, given: boolean): TuningRow => ({
    name,
    requested,
    applied: 'no',
    reason: given ? '' : `${machine} is simulated`,
  });
  const huge = options.hugePages;
  const node = options.numaNode;
  return [
    { name: 'backing', requested: options.backing ?? 'auto', applied: 'sim', reason: '' },
    row('hugePages', huge === undefined ? 'auto' : huge ? 'yes' : 'no', huge !== true),
    row('lockMemory', options.lockMemory === true ? 'yes' : 'no', options.lockMemory !== true),
    { ...row('numaNode', node === undefined ? 'none' : String(node), node === undefined), applied: 'none' },
  ];
}
