import { loadShm } from './shm/load.ts';
import { diskAdapter } from './uring/disk.ts';

/** Which adapters the hosts of this process go by, in words, with the reason where it is not the better one. */
export function adaptersInForce(): { readonly disk: string; readonly sharedMemory: string } {
  const disk = diskAdapter();
  return {
    disk: disk.name === 'io_uring' ? disk.name : `${disk.name} (${disk.reason})`,
    sharedMemory: sharedMemoryAdapter(),
  };
}

function sharedMemoryAdapter(): string {
  const { by, reason } = loadShm();
  if (by === 'addon') return 'mapped';
  return by === 'FFI' ? `mapped by FFI (${reason})` : `within the process (${reason})`;
}
