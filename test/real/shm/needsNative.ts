import { describe } from 'vitest';
import { loadNative } from '../../../src/real/native.ts';
import type { ShmAddon } from '../../../src/real/shm/addon.ts';
import { loadFfi } from '../../../src/real/shm/ffi/load.ts';

/** Tests that need the native addon: skipped by name where it is not there. */
export function describeNative(name: string, body: (addon: ShmAddon) => void): void {
  const native = loadNative();
  if ('addon' in native) describe(name, () => body(native.addon));
  else describe.skip(`${name} (no native addon: ${native.reason})`, () => body({} as ShmAddon)); // never called: skipped
}

/** Tests that need FFI (the optional package koffi): skipped by name where it is not there. */
export function describeFfi(name: string, body: (shm: ShmAddon) => void): void {
  const ffi = loadFfi();
  if ('shm' in ffi) describe(name, () => body(ffi.shm));
  else describe.skip(`${name} (no FFI: ${ffi.reason})`, () => body({} as ShmAddon)); // never called: skipped
}

/** What the addon and FFI in its place both have to do. */
export function describeMapped(name: string, body: (shm: ShmAddon, by: 'addon' | 'FFI') => void): void {
  describeNative(name, (addon) => body(addon, 'addon'));
  describeFfi(`${name}, by FFI`, (shm) => body(shm, 'FFI'));
}
