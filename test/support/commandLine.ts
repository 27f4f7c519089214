import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { createProgram } from '../../src/cli/program.ts';

/**
 * Parses a command line of `hotfire` (without that word) with the product's own program, and does nothing.
 *
 * @throws CommanderError for a command, an argument or an option that there is not
 */
export async function parseCommandLine(words: readonly string[]): Promise<void> {
  const program = await createProgram(words[0]);
  silence(program);
  let reached = false;
  program.hook('preAction', () => {
    reached = true;
  });
  await program.parseAsync([...words], { from: 'user' });
  if (!reached) throw new Error(`expected a command that does something, got: hotfire ${words.join(' ')}`);
}

function silence(command: Command): void {
  command.configureOutput({ writeErr: () => {}, writeOut: () => {} });
  if (command.commands.length === 0) command.action(() => {});
  for (const child of command.commands) silence(child);
}

/**
 * Runs a script in a real shell with `hotfire` (and `npx hotfire`) replaced by a program that writes down its words.
 *
 * @returns the words of each call
 */
export function hotfireCallsOf(script: string, environment: Readonly<Record<string, string>> = {}): string[][] {
  const directory = mkdtempSync(join(tmpdir(), 'hotfire-shell-'));
  try {
    const note = 'printf "%s\\0" "$@" >> "$CALLS"; printf "\\n" >> "$CALLS"';
    writeFileSync(join(directory, 'hotfire'), `#!/bin/sh\n${note}\n`);
    writeFileSync(join(directory, 'npx'), '#!/bin/sh\n[ "$1" = hotfire ] || exit 127\nshift\nexec hotfire "$@"\n');
    writeFileSync(join(directory, 'npm'), '#!/bin/sh\n[ "$1" = ci ] || exit 127\n');
    writeFileSync(join(directory, 'calls'), '');
    for (const name of ['hotfire', 'npx', 'npm']) chmodSync(join(directory, name), 0o755);
    execFileSync('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: directory,
      env: { ...environment, PATH: `${directory}:${process.env.PATH}`, CALLS: join(directory, 'calls') },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const calls = readFileSync(join(directory, 'calls'), 'utf8').split('\n').slice(0, -1);
    return calls.map((line) => line.split('\0').slice(0, -1));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
