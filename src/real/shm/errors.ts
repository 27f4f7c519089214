import { SharedMemoryError, type SharedMemoryErrorCode } from '../../host/sharedMemory.ts';

/** The `code` of an error of Node or of the addon; the empty string if it has none. */
export function codeOfError(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

const known: Readonly<Record<string, SharedMemoryErrorCode>> = {
  ENOSPC: 'ENOSPC',
  ENOMEM: 'ENOSPC',
  EDQUOT: 'ENOSPC',
  EEXIST: 'EEXIST',
  ENOENT: 'ENOENT',
  EACCES: 'EACCES',
  EPERM: 'EACCES',
  EROFS: 'EACCES',
  ELOOP: 'EACCES',
  EINVAL: 'EINVAL',
  ENOTMEMORY: 'ENOTMEMORY',
  EMFILE: 'EMFILE',
  ENFILE: 'EMFILE',
};

/** An error of Node or of the addon as the shared memory's own; anything else as it came. */
export function asSharedMemoryError(error: unknown, operation: string, region: string): unknown {
  if (error instanceof SharedMemoryError || !(error instanceof Error)) return error;
  const code = codeOfError(error);
  if (code === '') return error;
  return new SharedMemoryError(known[code] ?? 'ENOTSUP', operation, region, error.message);
}
