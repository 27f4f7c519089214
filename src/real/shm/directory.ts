import { accessSync, constants, readFileSync, statfsSync, statSync } from 'node:fs';
import { SharedMemoryError } from '../../host/sharedMemory.ts';
import { codeOfError } from './errors.ts';

/** Types of file systems that are memory (statfs(2)). */
const tmpfsMagic = 0x01021994;

/** The directory behind shm_open(3) on Linux. */
const shmDirectory = '/dev/shm';

/** Why a directory is of no use. */
interface Unfit {
  readonly code: 'ENOTMEMORY' | 'EACCES';
  readonly reason: string;
}

/** Whether a directory is there, writable and on tmpfs; else why not. */
function memoryDirectory(path: string): true | Unfit {
  try {
    const isMemory = statfsSync(path).type === tmpfsMagic;
    if (!statSync(path).isDirectory()) return { code: 'ENOTMEMORY', reason: `${path} is no directory` };
    if (!isMemory) return { code: 'ENOTMEMORY', reason: `${path} is not on tmpfs` };
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch (error) {
    const code = codeOfError(error);
    if (code === 'EACCES' || code === 'EROFS') {
      return { code: 'EACCES', reason: `${path} may not be written by user ${process.geteuid?.() ?? ''} (${code})` };
    }
    return { code: 'ENOTMEMORY', reason: code === 'ENOENT' ? `${path} is not there` : `${path}: ${code}` };
  }
}

/**
 * Where the files of regions are: the directory that was asked for, or `$XDG_RUNTIME_DIR` if it is memory, else the one behind
 * shm_open. Throws ENOTMEMORY where that is on a disk: a bus there would be as slow as the disk and outlive the boot; EACCES where it may not be
 * written.
 */
export function resolveDirectory(asked: string | undefined, region: string): string {
  if (asked !== undefined && asked !== 'auto') {
    const found = memoryDirectory(asked);
    if (found === true) return asked;
    const advice = found.code === 'EACCES' ? ' that this user may write' : `, such as ${shmDirectory}`;
    throw new SharedMemoryError(found.code, 'open', region, `${found.reason}; name a directory on tmpfs${advice}`);
  }
  const reasons: string[] = [];
  for (const path of [process.env.XDG_RUNTIME_DIR, shmDirectory]) {
    if (path === undefined || path === '') continue;
    const found = memoryDirectory(path);
    if (found === true) return path;
    reasons.push(found.reason);
  }
  throw new SharedMemoryError(
    'ENOTMEMORY',
    'open',
    region,
    `${reasons.join('; ')}; mount a tmpfs and name it as the directory`,
  );
}

/** Bytes in all and free of the file system that a directory is on. */
export function directorySpace(path: string): { readonly size: number; readonly free: number } {
  const { blocks, bsize, bavail } = statfsSync(path);
  return { size: blocks * bsize, free: bavail * bsize };
}

/** Size of the huge pages that are used. */
export const hugePageBytes = 2 * 2 ** 20;

/** Huge pages of 2 MiB that the machine has, and those nobody has or has been promised. */
export function hugePages(): { readonly total: number; readonly free: number } {
  const read = (file: string): number => {
    try {
      return Number(readFileSync(`/sys/kernel/mm/hugepages/hugepages-2048kB/${file}`, 'utf8'));
    } catch {
      return 0;
    }
  };
  return { total: read('nr_hugepages'), free: Math.max(0, read('free_hugepages') - read('resv_hugepages')) };
}

/** What mounts one that every user may write. */
export const mountLine = 'mount -t hugetlbfs -o pagesize=2M,mode=1777 none /dev/hugepages';

/** A writable hugetlbfs mount of 2 MiB pages; undefined if there is none. */
export function hugetlbfsMount(): string | undefined {
  let mounts: string;
  try {
    mounts = readFileSync('/proc/self/mounts', 'utf8');
  } catch {
    return undefined;
  }
  for (const line of mounts.split('\n')) {
    const [, escaped = '', type, options = ''] = line.split(' ');
    if (type !== 'hugetlbfs' || !options.split(',').includes('pagesize=2M')) continue;
    const path = escaped.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    try {
      accessSync(path, constants.W_OK | constants.X_OK);
      return path;
    } catch {
      // Not ours to write; another may be.
    }
  }
  return undefined;
}

/** A file's text without the blanks around it; empty if it cannot be read. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
