import { describe } from 'vitest';
import { loadNative } from '../../../src/real/native.ts';
import type { ShmAddon } from '../../../src/real/shm/addon.ts';

/** Tests that need the native addon: skipped by name where it is not there. */
export function describeNative(name: string, body: (addon: ShmAddon) => void): void {
  const native = loadNative();
  if ('addon' in native) describe(name, () => body(native.addon));
  else describe.skip(`${name} (no native addon: ${native.reason})`, () => body({} as ShmAddon)); // never called: skipped
}
