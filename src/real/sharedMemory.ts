import { type Region, type SharedMemory, SharedMemoryError, type TuningRow } from '../host/sharedMemory.ts';

const LOCKS = 1024;

/** The memory of a region and who holds its locks. */
interface Segment {
  readonly memory: SharedArrayBuffer;
  /** Holder of each lock: who opened the shared memory, and under which identity. */
  readonly locks: Map<number, { readonly participant: object; readonly identity: number }>;
}

/** Regions of this process by name: what its participants share. */
export type SabSegments = Map<string, Segment>;

/**
 * Shared memory within one operating-system process, over SharedArrayBuffer: for one daemon with several participants
 * and for tests. Regions that other processes can see need the native addon.
 *
 * @param segments the names that the participants share; each participant makes its own `SharedMemory` over them
 * @param identity under which `probe` knows this participant; its pid
 */
export function createSabSharedMemory(segments: SabSegments, identity: number): SharedMemory {
  const participant = {};
  return {
    open: async (name, bytes, options) => {
      if (!Number.isSafeInteger(bytes) || bytes <= 0 || bytes % 4 !== 0) {
        throw new SharedMemoryError('EINVAL', 'open', name, `expected a positive multiple of 4 bytes, got ${bytes}`);
      }
      let segment = segments.get(name);
      if (segment === undefined) {
        if (options.mode === 'open') throw new SharedMemoryError('ENOENT', 'open', name);
        segment = { memory: new SharedArrayBuffer(bytes), locks: new Map() };
        segments.set(name, segment);
      } else if (options.mode === 'create-new') {
        throw new SharedMemoryError('EEXIST', 'open', name);
      } else if (segment.memory.byteLength < bytes) {
        const detail = `the region has ${segment.memory.byteLength} bytes, ${bytes} were asked for`;
        throw new SharedMemoryError('EINVAL', 'open', name, detail);
      }
      return createRegion(name, segment, bytes, participant, identity, options);
    },
    remove: async (name) => {
      if (!segments.delete(name)) throw new SharedMemoryError('ENOENT', 'remove', name);
    },
  };
}

function createRegion(
  name: string,
  segment: Segment,
  size: number,
  participant: object,
  identity: number,
  options: { readonly hugePages?: boolean; readonly lockMemory?: boolean },
): Region {
  const words = new Int32Array(segment.memory, 0, size / 4);
  const mine = new Set<number>();
  const check = (what: string, value: number, limit: number): void => {
    if (!Number.isInteger(value) || value < 0 || value >= limit) {
      throw new SharedMemoryError('EINVAL', what, name, `expected an index of 0..${limit - 1}, got ${value}`);
    }
  };
  const verdicts = { ok: 'woken', 'not-equal': 'changed', 'timed-out': 'timeout' } as const;

  return {
    name,
    backing: 'sab',
    bytes: new Uint8Array(segment.memory, 0, size),
    words,
    step: () => {},
    wait(word, expected, timeoutMs) {
      check('wait', word, words.length);
      return verdicts[Atomics.wait(words, word, expected, timeoutMs)];
    },
    async waitAsync(word, expected, timeoutMs) {
      check('wait', word, words.length);
      return verdicts[await Atomics.waitAsync(words, word, expected, timeoutMs).value];
    },
    wake(word, count) {
      check('wake', word, words.length);
      return Atomics.notify(words, word, count);
    },
    lock(index) {
      check('lock', index, LOCKS);
      const holder = segment.locks.get(index);
      if (holder !== undefined && holder.participant !== participant) return false;
      segment.locks.set(index, { participant, identity });
      mine.add(index);
      return true;
    },
    unlock(index) {
      check('unlock', index, LOCKS);
      if (mine.delete(index)) segment.locks.delete(index);
    },
    probe(index, asked) {
      check('probe', index, LOCKS);
      return segment.locks.get(index)?.identity === asked ? 'alive' : 'dead';
    },
    tuning(): readonly TuningRow[] {
      const row = (what: string, asked: boolean | undefined): TuningRow => ({
        name: what,
        requested: asked === true ? 'yes' : 'no',
        applied: 'no',
        reason: asked === true ? 'memory of a SharedArrayBuffer comes from the heap' : '',
      });
      return [row('hugePages', options.hugePages), row('lockMemory', options.lockMemory)];
    },
    close() {
      for (const index of mine) segment.locks.delete(index);
      mine.clear();
    },
  };
}
