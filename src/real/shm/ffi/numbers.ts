/** System calls that shared memory needs. */
export type CallName =
  | 'fallocate'
  | 'fcntl'
  | 'fstatfs'
  | 'ftruncate'
  | 'futex'
  | 'futex_waitv'
  | 'get_mempolicy'
  | 'getpid'
  | 'gettid'
  | 'madvise'
  | 'mbind'
  | 'memfd_create'
  | 'mlock'
  | 'mmap'
  | 'mremap'
  | 'munmap'
  | 'prctl'
  | 'prlimit64'
  | 'sched_getaffinity'
  | 'sched_setaffinity';

/**
 * Linux's numbers of them by architecture, as Node names it (syscalls(2); the kernel never gives a number to another call). On both, `long` has
 * 64 bits and structures of the kernel are laid out alike, whichever C library there is.
 */
export const callNumbers: Readonly<Partial<Record<string, Readonly<Record<CallName, number>>>>> = {
  x64: {
    fallocate: 285,
    fcntl: 72,
    fstatfs: 138,
    ftruncate: 77,
    futex: 202,
    futex_waitv: 449,
    get_mempolicy: 239,
    getpid: 39,
    gettid: 186,
    madvise: 28,
    mbind: 237,
    memfd_create: 319,
    mlock: 149,
    mmap: 9,
    mremap: 25,
    munmap: 11,
    prctl: 157,
    prlimit64: 302,
    sched_getaffinity: 204,
    sched_setaffinity: 203,
  },
  arm64: {
    fallocate: 47,
    fcntl: 25,
    fstatfs: 44,
    ftruncate: 46,
    futex: 98,
    futex_waitv: 449,
    get_mempolicy: 236,
    getpid: 172,
    gettid: 178,
    madvise: 233,
    mbind: 235,
    memfd_create: 279,
    mlock: 228,
    mmap: 222,
    mremap: 216,
    munmap: 215,
    prctl: 167,
    prlimit64: 261,
    sched_getaffinity: 123,
    sched_setaffinity: 122,
  },
};
