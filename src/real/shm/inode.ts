import { fstatSync } from 'node:fs';

/** Device and inode of an open file, which tell it from every other while somebody has it. */
export function inodeOf(fd: number): string {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return `${dev}:${ino}`;
}
