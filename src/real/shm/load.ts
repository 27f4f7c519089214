import { loadNative } from '../native.ts';
import type { ShmAddon } from './addon.ts';
import { loadFfi } from './ffi/load.ts';

/** Who makes the calls of shared memory for this thread, or why nobody can, in words for an operator. */
export type ShmResult =
  | {
      readonly by: 'addon' | 'FFI';
      readonly shm: ShmAddon /** Why it is not the addon; empty if it is. */;
      readonly reason: string;
    }
  | { readonly by: 'nobody'; readonly reason: string };

let loaded: ShmResult | undefined;

/** The native addon, else FFI: which is looked for only then. Once in a thread. Throws nothing. */
export function loadShm(): ShmResult {
  loaded ??= load();
  return loaded;
}

function load(): ShmResult {
  const native = loadNative();
  if ('addon' in native) return { by: 'addon', shm: native.addon, reason: '' };
  const reason = `no native addon: ${native.reason}`;
  const ffi = loadFfi();
  return 'shm' in ffi
    ? { by: 'FFI', shm: ffi.shm, reason }
    : { by: 'nobody', reason: `${reason}; no FFI: ${ffi.reason}` };
}
