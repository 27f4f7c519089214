/**
 * Where the file of a region's memory is for this process. Its maker has written down a path of its own mount namespace; a container, or a program that
 * has the same directory mounted at another path, finds the file elsewhere, and nothing where it looks for that path.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { SharedMemoryError } from '../../host/sharedMemory.ts';
import { hugetlbfsMount } from './directory.ts';
import { codeOfError } from './errors.ts';
import { inodeAt, inodeOf } from './inode.ts';
import type { Rendezvous } from './rendezvous.ts';

/** An open file and the path that it was found at. */
export interface FoundFile {
  readonly fd: number;
  readonly path: string;
}

/**
 * Opens the memory file that the rendezvous file of a name tells of; undefined if it is proven gone. Throws ENOTSUP where its maker's mount is not to be
 * seen from here, so that it may be there.
 */
export function openFile(directory: string, name: string, says: Rendezvous): FoundFile | undefined {
  const paths = pathsOf(directory, says);
  for (const path of paths) {
    const fd = openIfThere(path, says.inode);
    if (fd !== undefined) return { fd, path };
  }
  // On tmpfs the file is beside the one that tells of it, or nowhere.
  if (says.backing === 'tmpfs' || paths.some((path) => inodeAt(dirname(path)) === says.home)) return undefined;
  const detail = `the memory is ${says.place} of a hugetlbfs mount that is not here, or at another path: mount it here too; if nobody uses the memory any more, remove ${join(directory, `${name}.json`)}`;
  throw new SharedMemoryError('ENOTSUP', 'open', name, detail);
}

/** Paths that may lead to the file from here. */
function pathsOf(directory: string, { backing, place }: Rendezvous): readonly string[] {
  const file = basename(place);
  if (backing === 'tmpfs') return [join(directory, file)];
  const mount = hugetlbfsMount();
  return mount === undefined ? [place] : [...new Set([place, join(mount, file)])];
}

/** Undefined where nothing is, or something else. */
function openIfThere(path: string, inode: string): number | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
  } catch (error) {
    if (codeOfError(error) === 'ENOENT') return undefined;
    throw error;
  }
  if (inodeOf(fd) === inode) return fd;
  closeSync(fd);
  return undefined;
}
