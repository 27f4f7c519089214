import type { ShmAddon } from '../addon.ts';
import { createFutexes } from './futexes.ts';
import { loadKernel } from './kernel.ts';
import { createLocks } from './locks.ts';
import { createMappings } from './mapping.ts';
import { createThreadCalls } from './threadCalls.ts';

/** What stands in for the addon, or why it cannot, in words for an operator. */
export type FfiResult = { readonly shm: ShmAddon } | { readonly reason: string };

let loaded: FfiResult | undefined;

/**
 * Shared memory by FFI (the optional package koffi), for where the addon is not there: the same files, futexes and locks, so both kinds of
 * process take part in one segment. Made once in a thread. Throws nothing.
 */
export function loadFfi(): FfiResult {
  loaded ??= load();
  return loaded;
}

function load(): FfiResult {
  const found = loadKernel();
  if (!('kernel' in found)) return found;
  const { kernel } = found;
  const mappings = createMappings(kernel);
  return {
    shm: {
      ...mappings.calls,
      ...createFutexes(kernel, mappings),
      ...createLocks(kernel),
      ...createThreadCalls(kernel),
    },
  };
}
