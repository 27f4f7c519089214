import { fstatSync } from 'node:fs';
import { constants } from 'node:os';
import type { ShmAddon } from '../addon.ts';
import { argumentError, checkBoolean, checkInteger, checkString, mostFd } from './arguments.ts';
import {
  errnoName,
  type Kernel,
  mapAnonymous,
  mapNoReserve,
  mapPrivate,
  mapShared,
  protReadWrite,
  systemError,
} from './kernel.ts';

/** Types of file systems that are memory (statfs(2)). */
const tmpfsMagic = 0x0102_1994;
const hugetlbfsMagic = 0x9584_58f6 | 0;

const populateWrite = 23; // madvise(2): MADV_POPULATE_WRITE
const bind = 2; // mbind(2): MPOL_BIND
const strict = 1; // MPOL_MF_STRICT
const nodeOfAddress = 1 | 2; // get_mempolicy(2): MPOL_F_NODE | MPOL_F_ADDR
const closeOnExec = 1; // memfd_create(2): MFD_CLOEXEC
const allowSealing = 2;
const hugePages2MiB = 4 | (21 << 26); // MFD_HUGETLB | MFD_HUGE_2MB
const addSeals = 1033; // fcntl(2): F_ADD_SEALS
const sealSizeForEver = 1 | 2 | 4; // F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW

const moveThere = 1 | 2; // mremap(2): MREMAP_MAYMOVE | MREMAP_FIXED

const mostNode = 1023;

/** What is mapped. */
interface Mapping {
  readonly base: number;
  readonly length: number;
  /** Its memory was given back. */
  ended: boolean;
}

/** Mappings of one thread. */
export interface Mappings {
  readonly calls: Pick<
    ShmAddon,
    'createMemfd' | 'sealSize' | 'mapMemory' | 'endMapping' | 'mappings' | 'numaNodeOf' | 'hasExternalShared'
  >;
  /** Address of a word of a mapping. Throws as the addon does for words that are of none. */
  readonly addressOf: (words: Int32Array, index: number) => number;
}

/** Errors of reserving that mean "there is not enough". */
function shortage(number: number): number {
  const { ENOMEM, EDQUOT, EFAULT, ENOSPC } = constants.errno;
  return number === ENOMEM || number === EDQUOT || number === EFAULT ? ENOSPC : number;
}

/**
 * Maps memory files as `native/mapping.cc` does. A mapping ends some time after its ArrayBuffer was collected, which the views of the buffer,
 * and waits on a word of it, prevent. Nothing may transfer the buffer to another owner, and nothing does: another thread maps for itself.
 * What a thread has mapped when it ends stays mapped until the process ends: by then nobody can say that no code of it still runs.
 */
export function createMappings(kernel: Kernel): Mappings {
  const { call, errno, numbers } = kernel;
  const scratch = kernel.allocate(256);
  const mapped = new WeakMap<ArrayBufferLike, Mapping>();
  let count = 0;
  let mappedBytes = 0;

  const ended = (mapping: Mapping): void => {
    if (mapping.ended) return;
    mapping.ended = true;
    count -= 1;
    mappedBytes -= mapping.length;
  };
  const unmap = (mapping: Mapping): void => {
    const { base, length } = mapping;
    if (call(numbers.munmap, base, length, 0, 0, 0, 0) !== 0) throw systemError(errno(), 'munmap', `${length} bytes`);
    ended(mapping);
  };
  /** Puts private zeros in its place, in one step of the kernel: another thread may wait on a word of it. */
  const end = (mapping: Mapping): void => {
    const { base, length } = mapping;
    const zeros = call(numbers.mmap, 0, length, protReadWrite, mapPrivate | mapAnonymous | mapNoReserve, -1, 0);
    // Where there is no room for it, everything stays as it is until the buffer is collected.
    if (zeros === -1) return;
    if (call(numbers.mremap, zeros, length, length, moveThere, base, 0) === base) ended(mapping);
    else call(numbers.munmap, zeros, length, 0, 0, 0, 0);
  };
  const collected = new FinalizationRegistry(unmap);

  const pageBytes = (fd: number): number => {
    // struct statfs begins with type and block size, of 64 bits each; the block of both file systems is their page.
    if (call(numbers.fstatfs, fd, scratch.address, 0, 0, 0, 0) !== 0) throw systemError(errno(), 'fstatfs');
    const type = scratch.words[0];
    const isMemory = type === tmpfsMagic || type === hugetlbfsMagic;
    if (isMemory && fstatSync(fd).isFile()) return scratch.words[2] ?? 0;
    throw argumentError('ENOTMEMORY', 'mapMemory: expected a file on tmpfs or hugetlbfs');
  };
  /** The error's number; 0 for none. */
  const failed = (result: number): number => (result === -1 ? errno() : 0);

  const bindToNode = (base: number, length: number, node: number): number => {
    const mask = scratch.words;
    mask.fill(0, 0, (mostNode + 1) / 32);
    mask[node >> 5] = 1 << (node & 31);
    return failed(call(numbers.mbind, base, length, bind, scratch.address, mostNode + 1, strict));
  };
  const reserveAll = (fd: number, length: number): number => {
    for (;;) {
      const number = failed(call(numbers.fallocate, fd, 0, 0, length, 0, 0));
      if (number !== constants.errno.EINTR) return number;
    }
  };

  const mappingOf = (words: Int32Array, index: number): Mapping => {
    if (!(words instanceof Int32Array)) throw argumentError('ERR_INVALID_ARG_TYPE', 'words: expected an Int32Array');
    if (words.length === 0) throw argumentError('ERR_OUT_OF_RANGE', 'words: expected at least one word');
    checkInteger('index', index, 0, words.length - 1);
    const mapping = mapped.get(words.buffer);
    if (mapping === undefined) throw argumentError('EINVAL', 'words: expected memory that mapMemory has given');
    return mapping;
  };
  const addressOf = (words: Int32Array, index: number): number =>
    mappingOf(words, index).base + words.byteOffset + 4 * index;

  const calls: Mappings['calls'] = {
    createMemfd(name, huge) {
      checkString('name', name);
      checkBoolean('hugePages', huge);
      const encoded = Buffer.from(`${name}\0`);
      if (encoded.length > 201) throw argumentError('ERR_OUT_OF_RANGE', 'name: expected at most 200 bytes');
      scratch.bytes.set(encoded);
      const flags = closeOnExec | allowSealing | (huge ? hugePages2MiB : 0);
      const fd = call(numbers.memfd_create, scratch.address, flags, 0, 0, 0, 0);
      if (fd === -1) throw systemError(errno(), 'memfd_create');
      return fd;
    },
    sealSize(fd) {
      checkInteger('fd', fd, 0, mostFd);
      const number = failed(call(numbers.fcntl, fd, addSeals, sealSizeForEver, 0, 0, 0));
      if (number !== 0) throw systemError(number, 'F_ADD_SEALS');
    },
    mapMemory(fd, bytes, reserve, numaNode, lock) {
      checkInteger('fd', fd, 0, mostFd);
      checkInteger('bytes', bytes, 4, 2 ** 40);
      checkBoolean('reserve', reserve);
      checkInteger('numaNode', numaNode, -1, mostNode);
      checkBoolean('lock', lock);
      const page = pageBytes(fd);
      const length = Math.ceil(bytes / page) * page;
      const { size } = fstatSync(fd);
      if (!reserve && size < bytes) {
        throw argumentError('EINVAL', `mapMemory: the file has ${size} bytes, ${bytes} were asked for`);
      }
      // The size first, the mapping and its NUMA policy next, the pages last: they are taken by that policy.
      const cut = reserve ? failed(call(numbers.ftruncate, fd, length, 0, 0, 0, 0)) : 0;
      if (cut !== 0) throw systemError(shortage(cut), 'ftruncate');
      const base = call(numbers.mmap, 0, length, protReadWrite, mapShared, fd, 0);
      if (base === -1) throw systemError(shortage(errno()), 'mmap', `${length} bytes`);
      count += 1;
      mappedBytes += length;
      const mapping: Mapping = { base, length, ended: false };
      try {
        const numa = numaNode < 0 ? 0 : bindToNode(base, length, numaNode);
        const reserved = reserve ? reserveAll(fd, length) : 0;
        if (reserved !== 0) throw systemError(shortage(reserved), 'fallocate', `${length} bytes`);
        const locked = lock ? failed(call(numbers.mlock, base, length, 0, 0, 0, 0)) : 0;
        // Page tables now and not at the first touch of each page. Kernels before 5.14 do not know it, and need not.
        const populated = failed(call(numbers.madvise, base, length, populateWrite, 0, 0, 0));
        if (populated !== 0 && populated !== constants.errno.EINVAL) {
          throw systemError(shortage(populated), 'madvise', `populate ${length} bytes`);
        }
        const buffer = kernel.view(base, bytes);
        mapped.set(buffer, mapping);
        collected.register(buffer, mapping);
        return {
          buffer,
          shared: false,
          numa: numa === 0 ? '' : errnoName(numa),
          lock: locked === 0 ? '' : errnoName(locked),
        };
      } catch (error) {
        unmap(mapping);
        throw error;
      }
    },
    endMapping(words, index) {
      const mapping = mappingOf(words, index);
      if (!mapping.ended) end(mapping);
      return mapping.ended;
    },
    mappings: () => ({ count, bytes: mappedBytes }),
    numaNodeOf(words, index) {
      const address = addressOf(words, index);
      const number = failed(call(numbers.get_mempolicy, scratch.address, 0, 0, address, nodeOfAddress, 0));
      if (number !== 0) throw systemError(number, 'get_mempolicy');
      return scratch.words[0] ?? -1;
    },
    hasExternalShared: () => false,
  };
  return { calls, addressOf };
}
