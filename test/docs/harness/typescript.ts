import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { type Block, root } from './blocks.ts';
import type { Session } from './session.ts';

const execute = promisify(execFile);

/** Holds the page's files of TypeScript against the compiler, in the places that the page gives them. */
export async function checkTypes(session: Session, blocks: readonly Block[]): Promise<void> {
  const config = join(session.directory, 'tsconfig.page.json');
  const files = blocks.flatMap(({ file }) => (file === undefined ? [] : [file]));
  writeFileSync(config, JSON.stringify({ extends: './tsconfig.json', files, include: [], exclude: [] }));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { stdout } = await execute(process.execPath, [tsc, '--noEmit', '-p', config]).catch((error) => error);
  expect(stdout).toBe('');
}

/**
 * Runs the page's files: tests by vitest, the others by loading them, which runs what stands at their top level. What the page tells to run
 * is left to the block that does (`node FILE`).
 */
export async function runFiles(session: Session, page: readonly Block[]): Promise<void> {
  const blocks = page.filter(({ language }) => language === 'ts');
  const told = page.flatMap(({ text }) => [...text.matchAll(/^\$ node (\S+)$/gm)].map(([, file = '']) => file));
  const files = blocks.flatMap(({ file }) => (file === undefined || told.includes(file) ? [] : [file]));
  const tests = files.filter((file) => file.endsWith('.test.ts'));
  const rest = files.filter((file) => !tests.includes(file));
  const script = rest.map((file) => `await import('${pathToFileURL(join(session.directory, file)).href}');`).join('\n');
  if (rest.length > 0)
    await execute(process.execPath, ['--input-type=module', '--eval', script], { cwd: session.directory });
  if (tests.length === 0) return;
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const { stdout } = await execute(process.execPath, [vitest, 'run', '--root', session.directory, ...tests], {
    cwd: session.directory,
    env: { ...process.env, NO_COLOR: '1' },
  }).catch((error) => {
    throw new Error(`the page's test fails:\n${error.stdout}${error.stderr}`);
  });
  expect(stdout).toMatch(new RegExp(`Test Files\\s+${tests.length} passed`));
}
