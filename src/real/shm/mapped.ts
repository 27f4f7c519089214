import { closeSync, fstatSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  checkRegionBytes,
  checkRegionName,
  type Region,
  type RegionOptions,
  type SharedMemory,
  SharedMemoryError,
} from '../../host/sharedMemory.ts';
import { type Access, accessFor, accessOf } from './access.ts';
import type { ShmAddon } from './addon.ts';
import { createLockFiles, type LockFile, type LockFiles } from './byteLocks.ts';
import { resolveDirectory } from './directory.ts';
import { asSharedMemoryError } from './errors.ts';
import { bootId, ownIdentity, ownParticipant } from './identity.ts';
import { inodeAt } from './inode.ts';
import { withHolder } from './memfdHolders.ts';
import { type Made, makeMemory } from './memory.ts';
import { type OnLeft, removeName, renameMemory, sweep } from './names.ts';
import { createMappedRegion } from './region.ts';
import { bootText, openMemory, type Rendezvous, readRendezvous, writeRendezvous } from './rendezvous.ts';

/** Byte of a name's lock file under which its rendezvous file is changed: the one after the locks of regions. */
const rendezvousLock = 4096;

/** How long to wait for another process that changes the same name, which takes it milliseconds. */
const changeTimeoutMs = 10_000;

/** What the calls of one `SharedMemory` share. */
interface Participant {
  readonly addon: ShmAddon;
  readonly directory: string | undefined;
  readonly locks: LockFiles;
  readonly onLeft: OnLeft;
}

/** How shared memory is had. */
export interface MappedOptions {
  /** Where files are if a call names no directory; default `auto`. */
  readonly directory?: string;
  /** A memory file of a name could not be removed when the name was changed; default nobody is told. */
  readonly onLeft?: OnLeft;
}

/**
 * Shared memory of the processes of this machine, over the native addon or what stands in for it. In the directory are, per name: `<name>.json`, which tells where the
 * memory is; `<name>.<generation>`, the memory on tmpfs; `<name>.lock`, whose bytes are the liveness locks and which stays.
 */
export function createMappedSharedMemory(addon: ShmAddon, options: MappedOptions = {}): SharedMemory {
  const { directory, onLeft = () => {} } = options;
  const participant: Participant = { addon, directory, locks: createLockFiles(addon), onLeft };
  const directoryOf = (name: string, call: { readonly directory?: string } | undefined): string =>
    resolveDirectory(call?.directory ?? participant.directory, name);

  return {
    open: (name, bytes, open) =>
      failing('open', name, async () => {
        checkRegionName('open', name);
        checkRegionBytes('open', name, bytes);
        const directory = directoryOf(name, open);
        const access = accessFor(open, name);
        if (open.mode !== 'open') {
          const make = () => create(participant, directory, name, bytes, open, access);
          return changing(participant, directory, [name], access, make);
        }
        const attach = (says: Rendezvous) => attachHeld(participant, directory, name, bytes, open, says);
        const region = await found(participant, directory, name, access, attach, true);
        if (region === undefined) throw new SharedMemoryError('ENOENT', 'open', name);
        return region;
      }),
    rename: (from, to, call) =>
      failing('rename', from, async () => {
        checkRegionName('rename', from);
        checkRegionName('rename', to);
        const directory = directoryOf(from, call);
        // The new name is for whom the old one is.
        const access = accessOf(directory, from);
        await changing(participant, directory, [from, to], access, () =>
          renameMemory(directory, from, to, accessFor(call ?? {}, from), onLeft),
        );
      }),
    remove: (name, call) =>
      failing('remove', name, async () => {
        checkRegionName('remove', name);
        const directory = directoryOf(name, call);
        await changing(participant, directory, [name], accessOf(directory, name), () =>
          removeName(directory, name, accessFor(call ?? {}, name), onLeft),
        );
      }),
    stat: (name, call) =>
      failing('stat', name, async () => {
        checkRegionName('stat', name);
        const directory = directoryOf(name, call);
        return await found(participant, directory, name, accessFor(call ?? {}, name), (says) =>
          sizeOf(directory, name, says),
        );
      }),
    identity: ownParticipant,
    bootId,
  };
}

async function failing<T>(operation: string, name: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw asSharedMemoryError(error, operation, name);
  }
}

/** Runs `change`, which waits for nothing, while nobody else changes what these names mean. */
async function changing<T>(
  participant: Participant,
  directory: string,
  names: readonly string[],
  access: Access,
  change: () => T,
): Promise<T> {
  const user = {};
  const files: LockFile[] = [];
  try {
    // In one order, so that two who change the same names do not wait for each other.
    for (const name of [...new Set(names)].sort()) {
      const file = participant.locks.use(join(directory, `${name}.lock`), user, access);
      files.push(file);
      let waitedMs = 0;
      while (!file.lock(rendezvousLock, user)) {
        if (waitedMs >= changeTimeoutMs) {
          const detail = `another process has been changing the name for ${changeTimeoutMs / 1000} s; is it stopped?`;
          throw new SharedMemoryError('EACCES', 'open', name, detail);
        }
        await new Promise((resolve) => setTimeout(resolve, 2));
        waitedMs += 2;
      }
    }
    return change();
  } finally {
    for (const file of files) file.release(user);
  }
}

/**
 * What `find` makes of what is said of a name; undefined if there is nothing or its memory is gone. Memory that seems gone is looked for anew while nobody
 * changes the name: since it was read another one may hold it, or a later generation have its name.
 *
 * @param joins `find` becomes a holder: of a memfd the last who is written down may let go while this one, who is not yet, has it
 */
async function found<T>(
  participant: Participant,
  directory: string,
  name: string,
  access: Access,
  find: (says: Rendezvous) => T | undefined,
  joins = false,
): Promise<T | undefined> {
  const look = (says: Rendezvous | undefined): T | undefined => (says === undefined ? undefined : find(says));
  const says = readRendezvous(directory, name, access);
  const seen = joins && says?.backing === 'memfd' ? undefined : look(says);
  if (says === undefined || seen !== undefined) return seen;
  const anew = () => look(readRendezvous(directory, name, access));
  return await changing(participant, directory, [name], access, anew);
}

/** What is told of memory that is there; undefined if it is gone. */
function sizeOf(directory: string, name: string, says: Rendezvous): Awaited<ReturnType<SharedMemory['stat']>> {
  const fd = openMemory(directory, name, says);
  if (fd === undefined) return undefined;
  const { size } = fstatSync(fd);
  closeSync(fd);
  return { bytes: Math.min(says.bytes, size), backing: says.backing, memory: says.inode };
}

/** Attaches to memory that is there; undefined if it is gone. A memfd's holders change: only while nobody else changes the name. */
function attachHeld(
  participant: Participant,
  directory: string,
  name: string,
  bytes: number,
  options: RegionOptions,
  says: Rendezvous,
): Region | undefined {
  const fd = openMemory(directory, name, says);
  if (fd === undefined) return undefined;
  try {
    const present = Math.min(says.bytes, fstatSync(fd).size);
    if (present < bytes) {
      const detail = `the region has ${present} bytes, ${bytes} were asked for`;
      throw new SharedMemoryError('EINVAL', 'open', name, detail);
    }
    // Before the memory is mapped: where nobody can be told of this holder there is nothing to undo but the descriptor.
    if (says.backing === 'memfd') {
      const holders = withHolder(name, says.holders, says.inode, fd);
      writeRendezvous(directory, name, { ...says, holders }, accessOf(directory, name));
    }
    const mapped = participant.addon.mapMemory(fd, bytes, false, -1, options.lockMemory ?? false);
    const made: Made = { ...says, fd, mapped, reason: '' };
    return regionOf(participant, directory, name, bytes, options, made);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function regionOf(
  { addon, locks }: Participant,
  directory: string,
  name: string,
  bytes: number,
  options: RegionOptions,
  made: Made,
): Region {
  // A memfd is reached through its holders' descriptors; a file needs none once it is mapped.
  const holds = made.backing === 'memfd';
  if (!holds) closeSync(made.fd);
  return createMappedRegion({
    addon,
    name,
    bytes,
    options,
    made,
    openLocks: (user) => locks.use(join(directory, `${options.lockName ?? name}.lock`), user, accessFor(options, name)),
    onClose: () => {
      if (holds) closeSync(made.fd);
    },
  });
}

function create(
  participant: Participant,
  directory: string,
  name: string,
  bytes: number,
  options: RegionOptions,
  access: Access,
): Region {
  const says = readRendezvous(directory, name, access);
  if (says !== undefined) {
    const found = attachOrNew(participant, directory, name, bytes, options, says);
    if (found !== undefined) return found;
  }
  sweep(directory, name, says, undefined, participant.onLeft);
  const generation = (says?.generation ?? 0) + 1;
  const made = makeMemory({ addon: participant.addon, name, bytes, directory, options, access, generation });
  try {
    writeRendezvous(
      directory,
      name,
      {
        version: 1,
        generation: made.generation,
        backing: made.backing,
        bytes,
        hugePages: made.hugePages,
        place: made.place,
        ...homeOf(made),
        inode: made.inode,
        bootId: bootText(),
        holders: made.backing === 'memfd' ? [{ ...ownIdentity(), fd: made.fd }] : [],
      },
      access,
    );
  } catch (error) {
    closeSync(made.fd);
    if (made.place !== '') rmSync(made.place, { force: true });
    throw error;
  }
  return regionOf(participant, directory, name, bytes, options, made);
}

/** The directory of a file on hugetlbfs, by which others see whether they look into the same one. */
function homeOf({ backing, place }: Made): { readonly home?: string } {
  const home = backing === 'hugetlbfs' ? inodeAt(dirname(place)) : undefined;
  return home === undefined ? {} : { home };
}

function attachOrNew(
  participant: Participant,
  directory: string,
  name: string,
  bytes: number,
  options: RegionOptions,
  says: Rendezvous,
): Region | undefined {
  if (options.mode === 'create-new') {
    const fd = openMemory(directory, name, says);
    if (fd === undefined) return undefined;
    closeSync(fd);
    throw new SharedMemoryError('EEXIST', 'open', name);
  }
  return attachHeld(participant, directory, name, bytes, options, says);
}
