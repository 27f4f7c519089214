import { createHash } from 'node:crypto';
import { closeSync, constants, fchmodSync, fchownSync, openSync, rmSync } from 'node:fs';
import { type RegionBacking, type RegionOptions, SharedMemoryError } from '../../host/sharedMemory.ts';
import type { Access } from './access.ts';
import type { ShmAddon } from './addon.ts';
import { directorySpace, hugePageBytes, hugePages, hugetlbfsMount, mountLine } from './directory.ts';
import { asSharedMemoryError, codeOfError } from './errors.ts';
import { inodeOf } from './inode.ts';
import { memoryLimit, memoryRoom } from './memoryRoom.ts';
import { placeOf } from './rendezvous.ts';

/** Backings that the addon gives. */
export type MappedBacking = Extract<RegionBacking, 'hugetlbfs' | 'memfd' | 'tmpfs'>;

/** A mapped block of memory, and what came of the wishes. */
export interface Mapped {
  readonly buffer: SharedArrayBuffer | ArrayBuffer;
  /** Names of errors; empty where it was done or not asked for. */
  readonly numa: string;
  readonly lock: string;
}

/** Memory that was just made. */
export interface Made {
  readonly backing: MappedBacking;
  readonly hugePages: boolean;
  /** Its file; empty for a memfd. */
  readonly place: string;
  readonly generation: number;
  readonly fd: number;
  /** Device and inode of the memory. */
  readonly inode: string;
  readonly mapped: Mapped;
  /** Why it has no huge pages or another backing than the first choice; empty if nothing was given up. */
  readonly reason: string;
}

/** What to make. */
export interface Making {
  readonly addon: ShmAddon;
  readonly name: string;
  readonly bytes: number;
  readonly directory: string;
  readonly options: RegionOptions;
  readonly access: Access;
  /** The lowest generation that may be used. */
  readonly generation: number;
}

/** The prefix of this directory's files in a hugetlbfs mount, which has files of all directories. */
export function hugetlbfsPrefix(directory: string): string {
  return `hotfire-${createHash('sha256').update(directory).digest('hex').slice(0, 12)}-`;
}

/** One way to get the memory. */
interface Choice {
  readonly backing: MappedBacking;
  readonly huge: boolean;
}

/**
 * Makes memory of a region: reserved to its last page, zero. With backing `auto` the first of hugetlbfs and tmpfs that works, which both keep what is in
 * it while nobody is attached; a memfd, which does not, is made only for who asks for one. A region smaller than a huge page takes huge ones only if it is told to. Throws ENOSPC where there is not enough, ENOTSUP for a backing that
 * the machine has not.
 */
export function makeMemory(making: Making): Made {
  const limit = memoryLimit();
  if (limit !== undefined && making.bytes >= limit) {
    const detail = `${making.bytes} bytes are needed, the control group allows ${limit} in all`;
    throw new SharedMemoryError('ENOSPC', 'open', making.name, detail);
  }
  const { choices, reasons } = choose(making);
  for (const [at, choice] of choices.entries()) {
    try {
      return make(making, choice, reasons.join('; '));
    } catch (error) {
      const failure = asSharedMemoryError(error, 'open', making.name);
      if (at === choices.length - 1 || !(failure instanceof SharedMemoryError)) throw withReasons(failure, reasons);
      reasons.push(`${choice.backing}${choice.huge ? ' of huge pages' : ''}: ${failure.message}`);
    }
  }
  throw new SharedMemoryError('ENOTSUP', 'open', making.name, reasons.join('; '));
}

function withReasons(failure: unknown, reasons: readonly string[]): unknown {
  if (!(failure instanceof SharedMemoryError) || reasons.length === 0) return failure;
  return new SharedMemoryError(failure.code, 'open', failure.region, [failure.detail, ...reasons].join('; '));
}

/** The ways to try, in order, and why better ones are not among them. */
function choose({ name, bytes, options }: Making): { readonly choices: readonly Choice[]; readonly reasons: string[] } {
  const backing = options.backing ?? 'auto';
  if (backing === 'sab' || backing === 'sim') {
    throw new SharedMemoryError('ENOTSUP', 'open', name, `backing ${backing} is not memory of several processes`);
  }
  const reasons: string[] = [];
  const wantsHuge = options.hugePages ?? bytes >= hugePageBytes;
  const needed = Math.ceil(bytes / hugePageBytes);
  const { total, free } = hugePages();
  const mount = hugetlbfsMount();
  const shortage =
    free >= needed
      ? ''
      : `${needed} huge pages of 2 MiB are needed, ${free} of ${total} are free: sysctl vm.nr_hugepages=${total + needed - free}`;

  if (backing === 'hugetlbfs') {
    if (mount === undefined) {
      throw new SharedMemoryError('ENOTSUP', 'open', name, 'no writable hugetlbfs mount of 2 MiB pages');
    }
    if (shortage !== '') throw new SharedMemoryError('ENOSPC', 'open', name, shortage);
    return { choices: [{ backing, huge: true }], reasons };
  }
  const choices: Choice[] = [];
  if (wantsHuge && backing !== 'tmpfs') {
    if (shortage !== '') reasons.push(shortage);
    else if (backing === 'memfd') choices.push({ backing, huge: true });
    else if (mount !== undefined) choices.push({ backing: 'hugetlbfs', huge: true });
    else
      reasons.push(
        `no writable hugetlbfs mount of 2 MiB pages: ${mountLine}; backing memfd needs none, and ends with its last holder`,
      );
  } else if (options.hugePages === true) {
    reasons.push('backing tmpfs has pages of 4 KiB');
  }
  choices.push({ backing: backing === 'memfd' ? 'memfd' : 'tmpfs', huge: false });
  return { choices, reasons };
}

function make(making: Making, choice: Choice, reason: string): Made {
  const { addon, name, bytes, options, access } = making;
  if (!choice.huge) checkRoom(name, bytes);
  const file = choice.backing === 'memfd' ? memfd(making, choice.huge) : createFile(making, choice.backing);
  try {
    const mapped = addon.mapMemory(file.fd, bytes, true, options.numaNode ?? -1, options.lockMemory ?? false);
    if (choice.backing === 'memfd') addon.sealSize(file.fd);
    if (access.gid !== undefined) fchownSync(file.fd, -1, access.gid);
    fchmodSync(file.fd, access.mode);
    return { backing: choice.backing, hugePages: choice.huge, ...file, inode: inodeOf(file.fd), mapped, reason };
  } catch (error) {
    closeSync(file.fd);
    if (file.place !== '') rmSync(file.place, { force: true });
    if (choice.backing !== 'tmpfs' || codeOfError(error) !== 'ENOSPC') throw asSharedMemoryError(error, 'open', name);
    const detail = `${bytes} bytes are needed, ${directorySpace(making.directory).free} are free in ${making.directory}`;
    throw new SharedMemoryError('ENOSPC', 'open', name, detail);
  }
}

/** ENOSPC before anything is taken: the kernel refuses no memfd that is too big, nor tmpfs with a size above the machine's, but ends a process. */
function checkRoom(name: string, bytes: number): void {
  const room = memoryRoom();
  if (room === undefined || room.bytes >= bytes) return;
  const detail = `${bytes} bytes are needed, ${room.bytes} are free of the memory of ${room.of}`;
  throw new SharedMemoryError('ENOSPC', 'open', name, detail);
}

interface MemoryFile {
  readonly fd: number;
  readonly place: string;
  readonly generation: number;
}

function memfd({ addon, name, generation }: Making, huge: boolean): MemoryFile {
  return { fd: addon.createMemfd(`hotfire.${name}`, huge), place: '', generation };
}

function createFile(making: Making, backing: 'hugetlbfs' | 'tmpfs'): MemoryFile {
  const mount = hugetlbfsMount();
  const huge = backing === 'hugetlbfs' && mount !== undefined;
  const [directory, prefix] = huge ? [mount, hugetlbfsPrefix(making.directory)] : [making.directory, ''];
  for (let generation = making.generation; ; generation++) {
    const place = placeOf(directory, prefix, making.name, generation);
    try {
      const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      return { fd: openSync(place, flags, making.access.mode), place, generation };
    } catch (error) {
      if (codeOfError(error) !== 'EEXIST') throw error;
    }
  }
}
