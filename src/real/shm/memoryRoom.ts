import { join } from 'node:path';
import { readText } from './directory.ts';

/** What is left of memory, and of whose. */
export interface MemoryRoom {
  readonly bytes: number;
  /** `the machine` or the control group with the least left. */
  readonly of: string;
}

/** Reads a file; empty if it cannot be read. */
type Read = (path: string) => string;

/** One control group that this process is in, with a limit. */
interface Level {
  readonly path: string;
  readonly limit: number;
  /** Bytes in use that the kernel would not give up for others. */
  readonly used: number;
}

/**
 * Files of the memory controller: of version 2, where all is in one hierarchy, and of version 1, where it has its own. `givenUp` is what the kernel takes
 * back before it ends a process, as it counts MemAvailable: the cache of files, used of late or not, and what it keeps of their names. Shared
 * memory is not among these lines: it is in `file`, but on the lists of anonymous pages (Documentation/admin-guide/cgroup-v2.rst).
 */
const versions = [
  {
    group: /^0::(\/.*)$/m,
    mount: '/sys/fs/cgroup',
    limit: 'memory.max',
    used: 'memory.current',
    givenUp: /^(?:inactive_file|active_file|slab_reclaimable) (\d+)$/gm,
  },
  {
    group: /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(\/.*)$/m,
    mount: '/sys/fs/cgroup/memory',
    limit: 'memory.limit_in_bytes',
    used: 'memory.usage_in_bytes',
    givenUp: /^total_(?:inactive|active)_file (\d+)$/gm,
  },
] as const;

/** Version 1 writes no limit as the greatest number of pages. */
const noLimit = 2 ** 60;

function sumOf(text: string, lines: RegExp): number {
  let sum = 0;
  for (const [, bytes] of text.matchAll(lines)) sum += Number(bytes);
  return sum;
}

/** The control groups with a limit that this process is in, from its own to the outermost. */
function levels(read: Read): readonly Level[] {
  const groups = read('/proc/self/cgroup');
  return versions.flatMap((version) => {
    const found: Level[] = [];
    let group = version.group.exec(groups)?.[1];
    while (group !== undefined) {
      const path = join(version.mount, group);
      const limit = read(join(path, version.limit));
      if (/^\d+$/.test(limit) && Number(limit) < noLimit) {
        const cache = sumOf(read(join(path, 'memory.stat')), version.givenUp);
        found.push({ path, limit: Number(limit), used: Math.max(0, Number(read(join(path, version.used))) - cache) });
      }
      group = group === '/' ? undefined : join(group, '..');
    }
    return found;
  });
}

/** The smallest limit of the control groups that this process is in; undefined for none. */
export function memoryLimit(read: Read = readText): number | undefined {
  const limits = levels(read).map(({ limit }) => limit);
  return limits.length === 0 ? undefined : Math.min(...limits);
}

/**
 * Bytes of ordinary pages that can be taken before the kernel ends processes to make room: what the machine has available, or its control group, the
 * less. A memfd has no size of its own that would refuse more than that. Undefined where nothing tells.
 */
export function memoryRoom(read: Read = readText): MemoryRoom | undefined {
  const available = /^MemAvailable:\s*(\d+) kB$/m.exec(read('/proc/meminfo'))?.[1];
  const rooms: MemoryRoom[] = levels(read).map(({ path, limit, used }) => ({
    bytes: Math.max(0, limit - used),
    of: `the control group ${path}`,
  }));
  if (available !== undefined) rooms.push({ bytes: Number(available) * 1024, of: 'the machine' });
  return rooms.sort((a, b) => a.bytes - b.bytes)[0];
}
