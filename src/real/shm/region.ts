import {
  type Region,
  type RegionOptions,
  regionLocks,
  SharedMemoryError,
  type TuningRow,
} from '../../host/sharedMemory.ts';
import type { ShmAddon, WaitCode } from './addon.ts';
import type { LockFile } from './byteLocks.ts';
import { hugePageBytes } from './directory.ts';
import { asSharedMemoryError } from './errors.ts';
import { processOf } from './identity.ts';
import type { Made } from './memory.ts';

/** How a wait ended, by the addon's number of it. */
const results = ['woken', 'changed', 'timeout'] as const;

/** A blocked thread comes back to JavaScript this often, so that its worker can be terminated. */
const sliceMs = 50;

const mostWoken = 2 ** 31 - 1;

/** What a region is made of. */
export interface MappedRegionParts {
  readonly addon: ShmAddon;
  readonly name: string;
  readonly bytes: number;
  readonly options: RegionOptions;
  readonly made: Made;
  /** Opens the lock file for the region; called when it is first needed. */
  readonly openLocks: (user: object) => LockFile;
  readonly onClose: () => void;
}

/** A region over mapped memory. */
export function createMappedRegion({
  addon,
  name,
  bytes,
  options,
  made,
  openLocks,
  onClose,
}: MappedRegionParts): Region {
  const { buffer } = made.mapped;
  const words = new Int32Array(buffer, 0, bytes / 4);
  const user = {};
  let locks: LockFile | undefined;
  let open = true;

  const lockFile = (operation: string, index: number): LockFile => {
    if (!Number.isInteger(index) || index < 0 || index >= regionLocks) {
      throw new SharedMemoryError('EINVAL', operation, name, `expected a lock of 0..${regionLocks - 1}, got ${index}`);
    }
    if (!open) throw new SharedMemoryError('EINVAL', operation, name, 'the region is closed');
    try {
      locks ??= openLocks(user);
      return locks;
    } catch (error) {
      throw asSharedMemoryError(error, operation, name);
    }
  };
  const checkWord = (operation: string, word: number): void => {
    if (Number.isInteger(word) && word >= 0 && word < words.length) return;
    throw new SharedMemoryError('EINVAL', operation, name, `expected a word of 0..${words.length - 1}, got ${word}`);
  };

  return {
    name,
    backing: made.backing,
    memory: made.inode,
    bytes: new Uint8Array(buffer, 0, bytes),
    words,
    step: () => {},
    ...(addon.gather === undefined ? {} : { gather: gathering(addon.gather, words) }),
    wait(word, expected, timeoutMs) {
      checkWord('wait', word);
      let left = timeoutMs;
      for (;;) {
        const code = addon.futexWait(words, word, expected | 0, Math.min(left, sliceMs));
        left -= sliceMs;
        if (code !== 2 || left <= 0) return results[code];
      }
    },
    async waitAsync(word, expected, timeoutMs) {
      checkWord('wait', word);
      if (!open) throw new SharedMemoryError('EINVAL', 'waitAsync', name, 'the region is closed');
      if (Atomics.load(words, word) !== (expected | 0)) return 'changed';
      const code: WaitCode = await addon.futexWaitAsync(words, word, expected | 0, timeoutMs);
      return results[code];
    },
    wake(word, count) {
      checkWord('wake', word);
      return addon.futexWake(words, word, Math.min(count, mostWoken));
    },
    lock: (index, mode) => lockFile('lock', index).lock(index, user, mode),
    unlock: (index) => lockFile('unlock', index).unlock(index, user),
    evidence: (index, holder) => ({
      lock: lockFile('evidence', index).held(index) ? 'held' : 'free',
      process: processOf(holder),
    }),
    tuning: () => tuningOf(addon, bytes, options, made),
    numaNode: () => nodeOf(addon, words),
    close() {
      if (!open) return;
      open = false;
      addon.futexCancel(words, 0);
      locks?.release(user);
      // Nobody of this process uses it any more, but views of it may be anywhere: they see zeros.
      addon.endMapping(words, 0);
      onClose();
    },
  };
}

function gathering(gather: NonNullable<ShmAddon['gather']>, words: Int32Array): NonNullable<Region['gather']> {
  return (runs, count, to) => gather(words, runs, count, to);
}

/** Undefined where the kernel does not tell: a container may forbid the question. */
function nodeOf(addon: ShmAddon, words: Int32Array): number | undefined {
  try {
    return addon.numaNodeOf(words, 0);
  } catch {
    return undefined;
  }
}

function tuningOf(addon: ShmAddon, bytes: number, options: RegionOptions, made: Made): readonly TuningRow[] {
  const { mapped } = made;
  const asked = options.backing ?? 'auto';
  const yesNo = (value: boolean): string => (value ? 'yes' : 'no');
  const node = options.numaNode;
  // `auto` takes them if they are free, and misses nothing else; `hotfire doctor` judges alike, and tells what would give them.
  const insists = options.hugePages ?? (asked === 'memfd' && bytes >= hugePageBytes);
  const shared = addon.hasExternalShared();
  const method = addon.futexMethod();
  return [
    {
      name: 'backing',
      requested: asked,
      applied: made.backing,
      reason: asked === 'auto' || asked === made.backing ? '' : `the region was made on ${made.backing}`,
    },
    {
      name: 'hugePages',
      requested: options.hugePages === undefined ? 'auto' : yesNo(options.hugePages),
      applied: yesNo(made.hugePages),
      reason: made.hugePages || !insists ? '' : made.reason || 'it was made without huge pages',
    },
    {
      name: 'lockMemory',
      requested: yesNo(options.lockMemory === true),
      applied: yesNo(options.lockMemory === true && mapped.lock === ''),
      reason: mapped.lock === '' ? '' : lockReason(addon, bytes, mapped.lock),
    },
    {
      name: 'numaNode',
      requested: node === undefined ? 'none' : String(node),
      applied: node === undefined || mapped.numa !== '' ? 'none' : String(node),
      reason: mapped.numa === '' ? '' : `mbind: ${mapped.numa}`,
    },
    {
      name: 'sharedBuffer',
      requested: 'yes',
      applied: yesNo(shared),
      reason: shared
        ? ''
        : `no SharedArrayBuffer over memory from outside (Node ${process.version} or FFI): each worker maps for itself`,
    },
    {
      name: 'futex',
      requested: 'futex_waitv',
      applied: method,
      reason: method === 'futex_waitv' ? '' : 'the kernel or a seccomp filter has no futex_waitv (Linux 5.16)',
    },
  ];
}

function lockReason(addon: ShmAddon, bytes: number, error: string): string {
  const { soft } = addon.memlockLimit();
  const limit = soft < 0 ? 'there is no limit' : `the limit is ${soft} bytes`;
  return `mlock: ${error}; ${bytes} bytes are needed, ${limit} (ulimit -l, LimitMEMLOCK=)`;
}
