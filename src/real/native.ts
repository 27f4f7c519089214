import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import type { ShmAddon } from './shm/addon.ts';
import type { UringAddon } from './uring/addon.ts';

/** The functions of the native addon (`native/`). All of them check their arguments and throw errors with a `code`. */
export interface NativeAddon extends ShmAddon, UringAddon {}

/** The addon, or why it is not there, in words for an operator. */
export type NativeResult = { readonly addon: NativeAddon } | { readonly reason: string };

let loaded: NativeResult | undefined;

/**
 * Loads the native addon, once in a thread. `HOTFIRE_NATIVE=off` in the environment keeps it out; `HOTFIRE_NATIVE_DIR` names another
 * directory to load it from (a build with a sanitizer). Throws nothing: whoever gets a reason runs on the portable adapters.
 */
export function loadNative(): NativeResult {
  loaded ??= load();
  return loaded;
}

function load(): NativeResult {
  if (process.env.HOTFIRE_NATIVE === 'off') return { reason: 'HOTFIRE_NATIVE=off' };
  const directory = process.env.HOTFIRE_NATIVE_DIR ?? resolve(import.meta.dirname, '../../native/build');
  try {
    // What the file exports is written down in NativeAddon; the addon's tests hold it to that.
    return { addon: createRequire(import.meta.url)(join(directory, 'hotfire.node')) as NativeAddon };
  } catch (error) {
    return { reason: whyNotBuilt(directory) ?? (error instanceof Error ? firstLine(error.message) : String(error)) };
  }
}

/** What the build wrote when it failed. */
function whyNotBuilt(directory: string): string | undefined {
  try {
    return `not built: ${firstLine(readFileSync(join(directory, 'why-not.txt'), 'utf8'))}`;
  } catch {
    return undefined;
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
