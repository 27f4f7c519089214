import { expect } from 'vitest';
import type { Ended, Session } from './session.ts';

/** One `$ command` of a `console` block with what the page says that it prints. */
interface Shown {
  readonly command: string;
  readonly output: readonly string[];
}

/** `$ ` begins a command, `> ` goes on with it, all else is output. */
export function commandsOf(text: string): Shown[] {
  const shown: { command: string; output: string[] }[] = [];
  for (const line of text.trimEnd().split('\n')) {
    const last = shown.at(-1);
    if (line.startsWith('$ ')) shown.push({ command: line.slice(2), output: [] });
    else if (last === undefined) throw new Error(`expected a console block to begin with "$ ", got: ${line}`);
    else if (line.startsWith('> ') && last.output.length === 0) last.command += `\n${line.slice(2)}`;
    else last.output.push(line);
  }
  return shown;
}

/**
 * Runs the commands of a `console` block. Each must end with 0, or with what a following `$ echo $?` shows; the last one with
 * `lastExit`, if the page says it in words (`<!-- exit: 1 -->`). What the page shows
 * of the output must be printed, in that order; `…` stands for whatever is there, other lines may stand between.
 */
export async function runConsole(session: Session, text: string, lastExit?: string): Promise<void> {
  let last: Ended | undefined;
  let awaited: string | undefined;
  for (const { command, output } of commandsOf(text)) {
    if (command === 'echo $?') {
      expect(String(last?.exitCode), `exit code of: ${awaited}\n${last?.output}`).toBe(output.join('\n'));
      awaited = undefined;
      continue;
    }
    if (awaited !== undefined) expectSuccess(awaited, last);
    last = await session.run(command);
    awaited = command;
    expectLines(command, last.output, output);
  }
  if (lastExit !== undefined)
    expect(String(last?.exitCode), `exit code of: ${awaited}\n${last?.output}`).toBe(lastExit);
  else if (awaited !== undefined) expectSuccess(awaited, last);
}

function expectSuccess(command: string, ended: Ended | undefined): void {
  // A daemon that serves has no exit code yet.
  expect([0, null], `exit code ${ended?.exitCode} of: ${command}\n${ended?.output}`).toContain(ended?.exitCode);
}

function expectLines(command: string, printed: string, shown: readonly string[]): void {
  const lines = printed.split('\n').map((line) => line.trimEnd());
  let at = 0;
  for (const line of shown) {
    if (line.trim() === '' || line.trim() === '…') continue;
    const pattern = new RegExp(`^${line.trimEnd().split('…').map(escaped).join('.*')}$`);
    const found = lines.findIndex((each, index) => index >= at && pattern.test(each));
    expect(found, `not printed by ${command}: ${line}\n--- it printed:\n${printed}`).not.toBe(-1);
    at = found + 1;
  }
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Runs a `sh` block as one script that stops at the first failure, in a pipe too. */
export async function runScript(session: Session, text: string): Promise<void> {
  const { exitCode, output } = await session.run(text);
  expect([0, null], `exit code ${exitCode} of:\n${text}\n--- it printed:\n${output}`).toContain(exitCode);
}
