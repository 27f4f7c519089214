import { constants } from 'node:os';
import type { ShmAddon } from '../addon.ts';
import { checkInteger, mostFd } from './arguments.ts';
import { type Kernel, systemError } from './kernel.ts';

/** Bytes of a lock file that may be locked: those of a region and a few beyond. */
const lastByte = 65_535;

/** Commands and types of fcntl(2). */
const ofdGetLock = 36;
const ofdSetLock = 37;
const writeLock = 1;
const noLock = 2;

/** Locks of single bytes of a file that belong to an open file description, as `native/locks.cc` has them. */
export function createLocks(kernel: Kernel): Pick<ShmAddon, 'lockByte' | 'unlockByte' | 'byteHeld'> {
  const { call, errno, numbers } = kernel;
  // struct flock: type and whence (0: from the start) in the first word, start in words 2 and 3, length in 4 and 5, pid in 6.
  const lock = kernel.allocate(32);
  const { words, address } = lock;

  const run = (command: number, type: number, fd: number, byte: number): number => {
    checkInteger('fd', fd, 0, mostFd);
    checkInteger('byte', byte, 0, lastByte);
    for (;;) {
      words.fill(0);
      words[0] = type;
      words[2] = byte;
      words[4] = 1;
      if (call(numbers.fcntl, fd, command, address, 0, 0, 0) === 0) return 0;
      const number = errno();
      if (number !== constants.errno.EINTR) return number;
    }
  };

  return {
    lockByte(fd, byte) {
      const failed = run(ofdSetLock, writeLock, fd, byte);
      if (failed === constants.errno.EAGAIN || failed === constants.errno.EACCES) return false;
      if (failed !== 0) throw systemError(failed, 'F_OFD_SETLK');
      return true;
    },
    unlockByte(fd, byte) {
      const failed = run(ofdSetLock, noLock, fd, byte);
      if (failed !== 0) throw systemError(failed, 'F_OFD_SETLK');
    },
    byteHeld(fd, byte) {
      const failed = run(ofdGetLock, writeLock, fd, byte);
      if (failed !== 0) throw systemError(failed, 'F_OFD_GETLK');
      return ((words[0] ?? 0) & 0xffff) !== noLock;
    },
  };
}
