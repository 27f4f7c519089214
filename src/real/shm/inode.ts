import { fstatSync, statSync } from 'node:fs';

/** Device and inode of an open file, which tell it from every other while somebody has it. */
export function inodeOf(fd: number): string {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return `${dev}:${ino}`;
}

/** The same of what a path leads to; undefined where it cannot be reached. */
export function inodeAt(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
