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
import { bootId } from './shm/identity.ts';

/** What the participants of one process share: regions by name, liveness locks, and who takes part. */
export interface SabSegments {
  readonly regions: Map<string, SharedArrayBuffer>;
  readonly locks: LockTable<object>;
  readonly participants: Map<number, ProcessIdentity>;
}

/** Nothing yet, for participants to share. */
export function createSabSegments(): SabSegments {
  return { regions: new Map(), locks: new LockTable(), participants: new Map() };
}

/** Why this backing gives nothing that is asked of the machine. */
const heapReason = 'memory of a SharedArrayBuffer comes from the heap';

/**
 * Shared memory within one operating-system process, over SharedArrayBuffer: for one daemon with several participants, for tests, and where
 * neither the native addon nor FFI is there, one of which regions that other processes can see need.
 *
 * @param segments what the participants share; each participant makes its own `SharedMemory` over them
 * @param identity who this participant is to the others; it counts as running as long as the process does
 * @param unmapped why there is nothing better, told by whoever asks for memory of several processes
 */
export function createSabSharedMemory(
  segments: SabSegments,
  identity: ProcessIdentity,
  unmapped = 'regions of several processes need the native addon or FFI',
): SharedMemory {
  const participant = {};
  segments.participants.set(identity.pid, identity);
  const { regions } = segments;
  return {
    open: async (name, bytes, options) => {
      checkRegionName('open', name);
      checkRegionBytes('open', name, bytes);
      const backing = options.backing ?? 'auto';
      if (backing !== 'auto' && backing !== 'sab') {
        throw new SharedMemoryError('ENOTSUP', 'open', name, `backing ${backing}: ${unmapped}`);
      }
      let memory = regions.get(name);
      if (memory === undefined) {
        if (options.mode === 'open') throw new SharedMemoryError('ENOENT', 'open', name);
        memory = new SharedArrayBuffer(bytes);
        regions.set(name, memory);
      } else if (options.mode === 'create-new') {
        throw new SharedMemoryError('EEXIST', 'open', name);
      } else if (memory.byteLength < bytes) {
        const detail = `the region has ${memory.byteLength} bytes, ${bytes} were asked for`;
        throw new SharedMemoryError('EINVAL', 'open', name, detail);
      }
      return createRegion({ name, memory, size: bytes, segments, participant, identity, options, unmapped });
    },
    rename: async (from, to) => {
      checkRegionName('rename', to);
      const memory = regions.get(from);
      if (memory === undefined) throw new SharedMemoryError('ENOENT', 'rename', from);
      regions.delete(from);
      regions.set(to, memory);
    },
    remove: async (name) => {
      if (!regions.delete(name)) throw new SharedMemoryError('ENOENT', 'remove', name);
    },
    stat: async (name) => {
      const memory = regions.get(name);
      return memory === undefined
        ? undefined
        : { bytes: memory.byteLength, backing: 'sab', memory: memoryNumber(memory) };
    },
    identity: () => identity,
    bootId,
  };
}

const numbers = new WeakMap<SharedArrayBuffer, string>();
let numbered = 0;

/** A number that no other memory of this process has. */
function memoryNumber(memory: SharedArrayBuffer): string {
  const known = numbers.get(memory);
  if (known !== undefined) return known;
  numbered += 1;
  numbers.set(memory, String(numbered));
  return String(numbered);
}

interface RegionParts {
  readonly name: string;
  readonly memory: SharedArrayBuffer;
  readonly size: number;
  readonly segments: SabSegments;
  readonly participant: object;
  readonly identity: ProcessIdentity;
  readonly options: RegionOptions;
  readonly unmapped: string;
}

const verdicts = { ok: 'woken', 'not-equal': 'changed', 'timed-out': 'timeout' } as const;

function createRegion({ name, memory, size, segments, participant, identity, options, unmapped }: RegionParts): Region {
  const words = new Int32Array(memory, 0, size / 4);
  const { locks, participants } = segments;
  const lockName = options.lockName ?? name;
  const user = {};
  /** Of each asynchronous wait that has not ended, its word. */
  const waits = new Set<{ readonly word: number }>();
  let open = true;
  const check = (what: string, value: number, limit: number): void => {
    if (Number.isInteger(value) && value >= 0 && value < limit) return;
    throw new SharedMemoryError('EINVAL', what, name, `expected an index of 0..${limit - 1}, got ${value}`);
  };
  const checkLock = (what: string, index: number): void => {
    check(what, index, regionLocks);
    if (!open) throw new SharedMemoryError('EINVAL', what, name, 'the region is closed');
  };

  const processOf = (holder: ProcessIdentity): LivenessEvidence['process'] => {
    if (holder.pidSpace !== identity.pidSpace) return 'unknown';
    const known = participants.get(holder.pid);
    if (known === undefined) return 'gone';
    return known.startTicks === holder.startTicks ? 'running' : 'other';
  };

  return {
    name,
    backing: 'sab',
    memory: memoryNumber(memory),
    bytes: new Uint8Array(memory, 0, size),
    words,
    step: () => {},
    wait(word, expected, timeoutMs) {
      check('wait', word, words.length);
      return verdicts[Atomics.wait(words, word, expected, timeoutMs)];
    },
    async waitAsync(word, expected, timeoutMs) {
      check('wait', word, words.length);
      if (!open) throw new SharedMemoryError('EINVAL', 'waitAsync', name, 'the region is closed');
      const wait = { word };
      waits.add(wait);
      const verdict = verdicts[await Atomics.waitAsync(words, word, expected, timeoutMs).value];
      waits.delete(wait);
      return open || verdict !== 'woken' ? verdict : 'timeout';
    },
    wake(word, count) {
      check('wake', word, words.length);
      return Atomics.notify(words, word, count);
    },
    lock(index, mode) {
      checkLock('lock', index);
      return locks.lock(lockName, index, participant, user, mode);
    },
    unlock(index) {
      checkLock('unlock', index);
      locks.unlock(lockName, index, user);
    },
    evidence(index, holder) {
      checkLock('evidence', index);
      return {
        lock: locks.holder(lockName, index) === undefined ? 'free' : 'held',
        process: processOf(holder),
      };
    },
    tuning: () => tuningOf(options, unmapped),
    close() {
      open = false;
      locks.release(lockName, user);
      // JavaScript cannot take a wait back, and one that is left behind would swallow a wake that is meant for others. So all who wait for these words
      // are woken: the others for nothing, as may happen, and they look again.
      for (const word of new Set([...waits].map((wait) => wait.word))) Atomics.notify(words, word);
    },
  };
}

function tuningOf(options: RegionOptions, unmapped: string): readonly TuningRow[] {
  const row = (name: string, requested: string, given: boolean): TuningRow => ({
    name,
    requested,
    applied: 'no',
    reason: given ? '' : heapReason,
  });
  const asked = options.backing ?? 'auto';
  const huge = options.hugePages;
  const node = options.numaNode;
  return [
    { name: 'backing', requested: asked, applied: 'sab', reason: asked === 'sab' ? '' : unmapped },
    row('hugePages', huge === undefined ? 'auto' : huge ? 'yes' : 'no', huge !== true),
    row('lockMemory', options.lockMemory === true ? 'yes' : 'no', options.lockMemory !== true),
    { ...row('numaNode', node === undefined ? 'none' : String(node), node === undefined), applied: 'none' },
  ];
}
