import { DiskError, type DiskErrorCode, type DiskOperation } from '../host/disk.ts';

const sameName: ReadonlySet<string> = new Set<DiskErrorCode>([
  'EIO',
  'ENOSPC',
  'EDQUOT',
  'EROFS',
  'ENOENT',
  'EEXIST',
  'EACCES',
  'ENOTDIR',
  'EISDIR',
  'ENOTEMPTY',
  'EMFILE',
  'ENODEV',
  'EINVAL',
  'EBADF',
]);

/** Kernel codes that have no name of their own in `DiskErrorCode`, by the one that calls for the same reaction. */
const translated: Readonly<Record<string, DiskErrorCode>> = {
  EPERM: 'EACCES',
  ENFILE: 'EMFILE',
  ENXIO: 'ENODEV',
  ENOMEDIUM: 'ENODEV',
  ENAMETOOLONG: 'EINVAL',
  ELOOP: 'EINVAL',
  EXDEV: 'EINVAL',
  EFBIG: 'EINVAL',
  EBUSY: 'EINVAL',
  ETXTBSY: 'EINVAL',
  ENOTSUP: 'EINVAL',
  EOPNOTSUPP: 'EINVAL',
  ERR_OUT_OF_RANGE: 'EINVAL',
  ERR_INVALID_ARG_TYPE: 'EINVAL',
  ERR_INVALID_ARG_VALUE: 'EINVAL',
};

function isName(code: string): code is DiskErrorCode {
  return sameName.has(code);
}

function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return 'unknown';
}

/**
 * The typed error for what node:fs reported. An unknown code becomes EIO, the one after which an engine trusts nothing;
 * a translated or unknown code stands in the message.
 */
export function diskError(error: unknown, operation: DiskOperation, path: string): DiskError {
  if (error instanceof DiskError) return error;
  const kernel = codeOf(error);
  if (isName(kernel)) return new DiskError(kernel, operation, path, { cause: error });
  return new DiskError(translated[kernel] ?? 'EIO', operation, path, { detail: `kernel says ${kernel}`, cause: error });
}

/** Whether the kernel wants the call to be made again. */
export function isInterrupted(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'EINTR' || code === 'EAGAIN';
}

/** Whether the kernel does not take the call as it is: of a write with O_DIRECT, that the file system has it otherwise. */
export function isRefusal(error: unknown): boolean {
  return codeOf(error) === 'EINVAL';
}
