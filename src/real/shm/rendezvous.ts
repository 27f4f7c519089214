import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fstatSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { SharedMemoryError } from '../../host/sharedMemory.ts';
import type { Access } from './access.ts';
import { asSharedMemoryError, codeOfError } from './errors.ts';
import { bootId } from './identity.ts';
import { holderShape, openHeld } from './memfdHolders.ts';
import { openFile } from './memoryFile.ts';

const shape = z.strictObject({
  version: z.literal(1),
  generation: z.int().min(1),
  backing: z.enum(['hugetlbfs', 'memfd', 'tmpfs']),
  /** Bytes that were asked for; the file has whole pages. */
  bytes: z.int().min(4),
  hugePages: z.boolean(),
  /** The memory's file, as its maker sees it; empty for a memfd, which is reached through a holder. */
  place: z.string(),
  /** Device and inode of the directory that the file is in, where that is another one than this file's. */
  home: z.string().optional(),
  /** Device and inode of the memory: what a path or a descriptor leads to must be this. */
  inode: z.string(),
  bootId: z.string(),
  holders: z.array(holderShape),
});

/** Whom the caller believes beside this user and root: the members of a group that it has named. */
type Trust = Pick<Access, 'gid'>;

/** What `<name>.json` says: where the memory of a name is. */
export type Rendezvous = z.infer<typeof shape>;

/** The boot's number as it is written down. */
export function bootText(): string {
  return bootId()
    .map((word) => word.toString(16).padStart(8, '0'))
    .join('');
}

/**
 * The rendezvous file of a name. Undefined if there is none, or one of an earlier boot, whose memory is gone. EACCES if a stranger
 * wrote it: a directory for all users may hold anybody's file, and a group that this process is in for something else, such as `users`, anybody. EDAMAGED if it
 * cannot be read.
 *
 * @param trust with the group whose members are no strangers
 */
export function readRendezvous(directory: string, name: string, { gid: trusted }: Trust): Rendezvous | undefined {
  const path = join(directory, `${name}.json`);
  let text: string;
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (codeOfError(error) === 'ENOENT') return undefined;
    throw asSharedMemoryError(error, 'open', name);
  }
  try {
    const { uid, gid } = fstatSync(fd);
    if (!isTrusted(uid) && gid !== trusted) {
      throw new SharedMemoryError(
        'EACCES',
        'open',
        name,
        `${path} belongs to user ${uid} and group ${gid}: name that group (segment.group, or group where a bus is opened) to believe its members; else remove the file or take another name`,
      );
    }
    text = readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
  const parsed = shape.safeParse(parseJson(text));
  if (!parsed.success) {
    throw new SharedMemoryError('EDAMAGED', 'open', name, `${path} is damaged: end what uses it and remove it`);
  }
  return parsed.data.bootId === bootText() ? parsed.data : undefined;
}

/** Files of this user and of root are believed. */
function isTrusted(uid: number): boolean {
  return uid === process.geteuid?.() || uid === 0;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

let written = 0;

/** Puts what is said of a name in place of what was, in one step. */
export function writeRendezvous(directory: string, name: string, says: Rendezvous, access: Access): void {
  written += 1;
  const fresh = join(directory, `.${name}.json.${process.pid}.${written}`);
  try {
    // What a process of the same pid has left at its death.
    rmSync(fresh, { force: true });
    writeFileSync(fresh, `${JSON.stringify(says)}\n`, { mode: access.mode, flag: 'wx' });
    if (access.gid !== undefined) chownSync(fresh, -1, access.gid);
    chmodSync(fresh, access.mode);
    renameSync(fresh, join(directory, `${name}.json`));
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
}

/** From now on nothing is said of a name. */
export function removeRendezvous(directory: string, name: string): void {
  rmSync(join(directory, `${name}.json`), { force: true });
}

/**
 * Opens the memory that the rendezvous file of a name tells of; undefined if it is proven gone. Throws where it may be there and cannot be reached: who took
 * its name then would part those who use it from those who come.
 */
export function openMemory(directory: string, name: string, says: Rendezvous): number | undefined {
  if (says.backing === 'memfd') return openHeld(name, says.holders, says.inode, join(directory, `${name}.json`));
  return openFile(directory, name, says)?.fd;
}

/** Path of the memory file of a generation beside the one of another. */
export function placeOf(directory: string, prefix: string, name: string, generation: number): string {
  return join(directory, `${prefix}${name}.${generation}`);
}

/** Gives the memory file at this path another name too, in the directory it is in; returns its generation there. */
export function linkMemory(
  place: string,
  from: string,
  to: string,
  generation: number,
): { place: string; generation: number } {
  const prefix = prefixOf(place, from);
  for (let next = generation; ; next++) {
    const path = placeOf(dirname(place), prefix, to, next);
    try {
      linkSync(place, path);
      return { place: path, generation: next };
    } catch (error) {
      if (codeOfError(error) !== 'EEXIST') throw error;
    }
  }
}

/** What stands before the name in the name of a memory file. */
export function prefixOf(place: string, name: string): string {
  const base = basename(place);
  return base.slice(0, base.lastIndexOf(`${name}.`));
}

/** Removes memory files of earlier generations of a name, which a process that died on its way has left. Never throws. */
export function sweepGenerations(
  directory: string,
  prefix: string,
  name: string,
  keep: string | undefined,
  onLeft: (path: string, error: unknown) => void,
): void {
  for (const file of filesOf(directory, onLeft)) {
    if (!file.startsWith(`${prefix}${name}.`) || !/^\d+$/.test(file.slice(prefix.length + name.length + 1))) continue;
    const path = join(directory, file);
    if (path === keep) continue;
    try {
      rmSync(path, { force: true });
    } catch (error) {
      onLeft(path, error);
    }
  }
}

function filesOf(directory: string, onLeft: (path: string, error: unknown) => void): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    onLeft(directory, error);
    return [];
  }
}
