import { loadNative } from './native.ts';
import { diskAdapter } from './uring/disk.ts';

/** Which adapters the hosts of this process go by, in words, with the reason where it is not the better one. */
export function adaptersInForce(): { readonly disk: string; readonly sharedMemory: string } {
  const disk = diskAdapter();
  const native = loadNative();
  return {
    disk: disk.name === 'io_uring' ? disk.name : `${disk.name} (${disk.reason})`,
    sharedMemory: 'addon' in native ? 'mapped' : `within the process (no native addon: ${native.reason})`,
  };
}
