import { closeSync, rmSync } from 'node:fs';
import { SharedMemoryError } from '../../host/sharedMemory.ts';
import { type Access, accessOf } from './access.ts';
import { hugetlbfsMount } from './directory.ts';
import { hugetlbfsPrefix } from './memory.ts';
import { openFile } from './memoryFile.ts';
import {
  linkMemory,
  prefixOf,
  type Rendezvous,
  readRendezvous,
  removeRendezvous,
  sweepGenerations,
  writeRendezvous,
} from './rendezvous.ts';

/** Told of a memory file that could not be removed, or of a directory that could not be read for them, and why. */
export type OnLeft = (path: string, error: unknown) => void;

/**
 * Gives memory another name. Where it throws, both names stand as they stood; what is left to do once they have changed never throws. The caller sees
 * to it that nobody else changes them meanwhile.
 */
export function renameMemory(directory: string, from: string, to: string, trust: Access, onLeft: OnLeft): void {
  const says = readRendezvous(directory, from, trust);
  if (says === undefined) throw new SharedMemoryError('ENOENT', 'rename', from);
  if (from === to) return;
  const access = accessOf(directory, from);
  const before = readRendezvous(directory, to, trust);
  const accessBefore = before === undefined ? access : accessOf(directory, to);
  const generation = (before?.generation ?? 0) + 1;
  // The memory gets its new name beside the old one, then the new name comes to mean it, then the old ones go: at no moment does a
  // name mean nothing or half of something.
  const placed =
    says.place === '' ? { place: '', generation } : linkMemory(fileOf(directory, from, says), from, to, generation);
  let isNamed = false;
  try {
    writeRendezvous(directory, to, { ...says, ...placed }, access);
    isNamed = true;
    removeRendezvous(directory, from);
  } catch (error) {
    try {
      if (isNamed) putBack(directory, to, before, accessBefore);
      if (placed.place !== '') rmSync(placed.place, { force: true });
    } catch (left) {
      // A link to another one's memory is that one's to remove, in a directory for all users. Or else both names mean the memory now.
      onLeft(placed.place === '' ? directory : placed.place, left);
    }
    throw error;
  }
  sweep(directory, from, says, undefined, onLeft);
  sweep(directory, to, before, placed.place, onLeft);
}

/** Path of the memory's file. */
function fileOf(directory: string, name: string, says: Rendezvous): string {
  const found = openFile(directory, name, says);
  if (found === undefined) throw new SharedMemoryError('ENOENT', 'rename', name);
  closeSync(found.fd);
  return found.path;
}

/** Removes a name. The memory goes with the last who has it. */
export function removeName(directory: string, name: string, trust: Access, onLeft: OnLeft): void {
  const says = readRendezvous(directory, name, trust);
  if (says === undefined) throw new SharedMemoryError('ENOENT', 'remove', name);
  removeRendezvous(directory, name);
  sweep(directory, name, says, undefined, onLeft);
}

/**
 * Removes the memory files of a name but the one to keep. One that cannot be removed stays: in a directory for all users it may be another one's, and
 * what it was removed for does not depend on it, since no name leads to it.
 *
 * @param said of the name until now: who has this directory at another path has other names for its files on hugetlbfs
 */
export function sweep(
  directory: string,
  name: string,
  said: Rendezvous | undefined,
  keep: string | undefined,
  onLeft: OnLeft,
): void {
  sweepGenerations(directory, '', name, keep, onLeft);
  const mount = hugetlbfsMount();
  if (mount === undefined) return;
  const prefixes = new Set([hugetlbfsPrefix(directory)]);
  if (said?.backing === 'hugetlbfs') prefixes.add(prefixOf(said.place, name));
  for (const prefix of prefixes) sweepGenerations(mount, prefix, name, keep, onLeft);
}

/** What was said of a name is said again. */
function putBack(directory: string, name: string, before: Rendezvous | undefined, access: Access): void {
  if (before === undefined) removeRendezvous(directory, name);
  else writeRendezvous(directory, name, before, access);
}
