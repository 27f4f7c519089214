import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** Sources of participants in other languages. */
export const foreignDirectory = resolve(import.meta.dirname, '../foreign');
const include = resolve(import.meta.dirname, '../../../../native/include');

/** Whether a program is there. */
export function hasProgram(program: string, ...words: string[]): boolean {
  return spawnSync(program, words, { stdio: 'ignore' }).status === 0;
}

/** Runs `body` with a directory for what it builds, and removes it. */
export async function inScratch(body: (directory: string) => void | Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'hotfire-c-'));
  try {
    await body(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Compiles a C program against the generated header, with every warning an error; its path. Throws what the compiler says. */
export function compiled(source: string, directory: string, ...flags: string[]): string {
  const program = join(directory, 'program');
  const words = ['-std=gnu11', '-O1', '-g', '-Wall', '-Wextra', '-Werror', '-pthread', '-I', include, ...flags];
  execFileSync('gcc', [...words, source, '-o', program], { stdio: ['ignore', 'ignore', 'pipe'] });
  return program;
}
