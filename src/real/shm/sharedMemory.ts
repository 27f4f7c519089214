import type { SharedMemory } from '../../host/sharedMemory.ts';
import { loadNative } from '../native.ts';
import { createSabSegments, createSabSharedMemory } from '../sharedMemory.ts';
import { ownIdentity } from './identity.ts';
import { createMappedSharedMemory } from './mapped.ts';

/** What the hosts of this thread share where there is no addon. */
const segments = createSabSegments();

/** Shared memory of this machine's processes where the native addon is there, else of this process alone. */
export function createSharedMemory(): SharedMemory {
  const native = loadNative();
  if ('addon' in native) return createMappedSharedMemory(native.addon);
  return createSabSharedMemory(segments, ownIdentity(), `no native addon: ${native.reason}`);
}
