import {
  type Region,
  type RegionOptions,
  type SharedMemory,
  SharedMemoryError,
  type TuningRow,
} from '../host/sharedMemory.ts';
import type { ScheduledEvent } from './eventHeap.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

/** Liveness locks of a region. */
const LOCKS = 1024;

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
  readonly locks: Map<number, SimProcess>;
}

/** Regions of one machine. They outlive processes; a power loss clears them. */
export class MachineSharedMemory {
  readonly #world: World;
  readonly #machine: string;
  #segments = new Map<string, Segment>();

  constructor(world: World, machine: string) {
    this.#world = world;
    this.#machine = machine;
  }

  clear(): void {
    this.#segments = new Map();
  }

  /** Shared memory as one process sees it. */
  of(process: SimProcess): SharedMemory {
    return {
      open: (name, bytes, options) => process.io('shm open', 0.01, () => this.#open(process, name, bytes, options)),
      remove: (name) =>
        process.io('shm remove', 0.01, () => {
          if (!this.#segments.delete(name)) throw new SharedMemoryError('ENOENT', 'remove', name);
        }),
    };
  }

  #open(process: SimProcess, name: string, bytes: number, options: RegionOptions): Region {
    if (!Number.isSafeInteger(bytes) || bytes <= 0 || bytes % 4 !== 0) {
      throw new SharedMemoryError('EINVAL', 'open', name, `expected a positive multiple of 4 bytes, got ${bytes}`);
    }
    let segment = this.#segments.get(name);
    if (segment === undefined) {
      if (options.mode === 'open') throw new SharedMemoryError('ENOENT', 'open', name);
      segment = { memory: new SharedArrayBuffer(bytes), waiters: new Set(), locks: new Map() };
      this.#segments.set(name, segment);
    } else if (options.mode === 'create-new') {
      throw new SharedMemoryError('EEXIST', 'open', name);
    } else if (segment.memory.byteLength < bytes) {
      const detail = `the region has ${segment.memory.byteLength} bytes, ${bytes} were asked for`;
      throw new SharedMemoryError('EINVAL', 'open', name, detail);
    }
    this.#world.trace.io('shm open', process.traceName, bytes);
    return createRegion(this.#world, this.#machine, process, name, segment, bytes, options);
  }
}

function createRegion(
  world: World,
  machine: string,
  process: SimProcess,
  name: string,
  segment: Segment,
  size: number,
  options: RegionOptions,
): Region {
  const words = new Int32Array(segment.memory, 0, size / 4);
  const mine = new Set<number>();
  let open = true;
  const release = (): void => {
    open = false;
    forget();
    for (const index of mine) segment.locks.delete(index);
    mine.clear();
    for (const waiter of segment.waiters) {
      if (waiter.process !== process) continue;
      segment.waiters.delete(waiter);
      if (waiter.timeout !== undefined) world.scheduler.cancel(waiter.timeout);
    }
  };
  const forget = process.onDeath(release);
  const checkLock = (index: number): void => {
    if (!Number.isInteger(index) || index < 0 || index >= LOCKS) {
      throw new SharedMemoryError('EINVAL', 'lock', name, `expected an index of 0..${LOCKS - 1}, got ${index}`);
    }
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
      checkLock(index);
      const holder = segment.locks.get(index);
      if (holder !== undefined && holder !== process) return false;
      segment.locks.set(index, process);
      mine.add(index);
      return true;
    },
    unlock(index) {
      checkLock(index);
      if (!mine.delete(index)) return;
      segment.locks.delete(index);
    },
    probe(index, identity) {
      checkLock(index);
      const holder = segment.locks.get(index);
      if (holder === undefined) return 'dead';
      // Somebody else lives under the lock: whoever had this identity is gone.
      return holder.pid === identity ? 'alive' : 'dead';
    },
    tuning(): readonly TuningRow[] {
      const reason = `${machine} is simulated`;
      const row = (what: string, asked: boolean | undefined): TuningRow => ({
        name: what,
        requested: asked === true ? 'yes' : 'no',
        applied: 'no',
        reason: asked === true ? reason : '',
      });
      return [row('hugePages', options.hugePages), row('lockMemory', options.lockMemory)];
    },
    close() {
      if (open) release();
    },
  };
}
