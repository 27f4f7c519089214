import type { SharedMemory } from '../../host/sharedMemory.ts';
import { loadNative } from '../native.ts';
import { createSabSegments, createSabSharedMemory } from '../sharedMemory.ts';
import { bootId, ownParticipant } from './identity.ts';
import { loadShm } from './load.ts';
import { createMappedSharedMemory, type MappedOptions } from './mapped.ts';

/** What the hosts of this thread share where there is neither addon nor FFI. */
const segments = createSabSegments();

/** Shared memory of this machine's processes where the native addon is there, or FFI in its place; else of this process alone. */
export function createSharedMemory(options: MappedOptions = {}): SharedMemory {
  const native = loadNative();
  if ('addon' in native) return createMappedSharedMemory(native.addon, options);
  let made: SharedMemory | undefined;
  // Not before it is needed: most processes have a host and no region, and FFI is a package to load.
  const shm = (): SharedMemory => {
    made ??= withoutAddon(options);
    return made;
  };
  return {
    open: async (name, bytes, options) => shm().open(name, bytes, options),
    rename: async (from, to, options) => shm().rename(from, to, options),
    remove: async (name, options) => shm().remove(name, options),
    stat: async (name, options) => shm().stat(name, options),
    identity: ownParticipant,
    bootId,
  };
}

function withoutAddon(options: MappedOptions): SharedMemory {
  const found = loadShm();
  if (found.by === 'nobody') return createSabSharedMemory(segments, ownParticipant(), found.reason);
  return createMappedSharedMemory(found.shm, options);
}
