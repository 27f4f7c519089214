/**
 * Who holds a memfd. It has no path: whoever comes opens it through the descriptor of a process that has it open, in procfs. A process is written
 * down once for each region that it opens, and struck out by the next who comes when it has ended or closed that descriptor: at its end nothing is to be
 * done, which a process that dies could not do.
 */
import { closeSync, constants, openSync, statSync } from 'node:fs';
import { z } from 'zod';
import { SharedMemoryError } from '../../host/sharedMemory.ts';
import { codeOfError } from './errors.ts';
import { ownIdentity, processOf } from './identity.ts';
import { inodeOf } from './inode.ts';

/** Holders of one memfd: all are written down, or the last to live might not be found. A segment has 128 seats, of as many processes at most. */
const mostHolders = 1024;

export const holderShape = z.strictObject({ pid: z.int(), startTicks: z.int(), pidSpace: z.int(), fd: z.int() });

/** One open descriptor of a memfd. */
export type MemfdHolder = z.infer<typeof holderShape>;

/** Why it is not known of a holder that it has let go: it is hidden, or another user's; or its pid counts in another namespace. */
type Doubt = 'EACCES' | 'ENOTSUP';

/** What is known of a holder: the path of procfs that leads to the memfd with this inode, that it has let go, proven, or nothing for sure. */
function lookAt(holder: MemfdHolder, inode: string): { readonly path: string } | 'let go' | Doubt {
  const process = processOf(holder);
  if (process === 'gone' || process === 'other' || process === 'zombie') return 'let go';
  // A pid of another namespace is somebody else's here.
  if (holder.pidSpace !== ownIdentity().pidSpace) return 'ENOTSUP';
  const path = `/proc/${holder.pid}/fd/${holder.fd}`;
  try {
    // The number may be another file's by now: one that cannot be opened, such as a socket, or should not be.
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}` === inode ? { path } : 'let go';
  } catch (error) {
    return doubtOf(holder, error);
  }
}

/** What an error on the path of a holder says of it. Throws what says nothing of it, such as a lack of descriptors. */
function doubtOf(holder: MemfdHolder, error: unknown): 'let go' | Doubt {
  const code = codeOfError(error);
  if (code === 'EACCES' || code === 'EPERM') return 'EACCES';
  if (code !== 'ENOENT' && code !== 'ESRCH') throw error;
  // It may have ended meanwhile; of who is hidden procfs shows no descriptor either.
  return processOf(holder) === 'unknown' ? 'EACCES' : 'let go';
}

/**
 * Opens the memfd with this inode through one of its holders; undefined if all are proven to have let go. Throws EACCES or ENOTSUP where one may still have
 * it that cannot be reached: it is not gone then, and its name not free.
 *
 * @param path the rendezvous file that names the holders, for the words of the error
 */
export function openHeld(
  name: string,
  holders: readonly MemfdHolder[],
  inode: string,
  path: string,
): number | undefined {
  const doubts = new Map<Doubt, MemfdHolder>();
  for (const holder of holders) {
    const found = open(holder, inode);
    if (typeof found === 'number') return found;
    if (found !== 'let go') doubts.set(found, holder);
  }
  const hidden = doubts.get('EACCES');
  if (hidden !== undefined) {
    const detail = `the memory is a memfd of process ${hidden.pid}, whose descriptors this user may not open: a memfd is for processes of one user`;
    throw new SharedMemoryError('EACCES', 'open', name, detail);
  }
  const elsewhere = doubts.get('ENOTSUP');
  if (elsewhere === undefined) return undefined;
  const detail = `the memory is a memfd of process ${elsewhere.pid} of another pid namespace, and can be reached within that one alone: take backing tmpfs or hugetlbfs there; if that process has ended, remove ${path}`;
  throw new SharedMemoryError('ENOTSUP', 'open', name, detail);
}

function open(holder: MemfdHolder, inode: string): number | 'let go' | Doubt {
  const at = lookAt(holder, inode);
  if (typeof at === 'string') return at;
  let fd: number;
  try {
    // A link of procfs, which must be followed.
    fd = openSync(at.path, constants.O_RDWR);
  } catch (error) {
    return doubtOf(holder, error);
  }
  if (inodeOf(fd) === inode) return fd;
  closeSync(fd);
  return 'let go';
}

/** The holders with this process's descriptor `fd` among them, and without those that have let go. ENOTSUP where there are too many. */
export function withHolder(name: string, holders: readonly MemfdHolder[], inode: string, fd: number): MemfdHolder[] {
  const own = { ...ownIdentity(), fd };
  const others = holders.filter((holder) => !isSame(holder, own) && lookAt(holder, inode) !== 'let go');
  if (others.length < mostHolders) return [...others, own];
  const detail = `${mostHolders} descriptors lead to this memfd already, and no more are written down: take backing tmpfs or hugetlbfs`;
  throw new SharedMemoryError('ENOTSUP', 'open', name, detail);
}

function isSame(one: MemfdHolder, other: MemfdHolder): boolean {
  return one.pid === other.pid && one.fd === other.fd && one.pidSpace === other.pidSpace;
}
