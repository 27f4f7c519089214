import type { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { exitOf } from '../../src/cli/exit.ts';
import { createProgram } from '../../src/cli/program.ts';

let printed = '';
let complained = '';
beforeEach(() => {
  printed = '';
  complained = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += text;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    complained += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** Runs a command line; resolves to the exit code of the process. */
async function run(...words: string[]): Promise<number> {
  try {
    const parsed = await createProgram(words[0]);
    await parsed.parseAsync(words, { from: 'user' });
    return 0;
  } catch (error) {
    const { code, text } = exitOf(error);
    complained += text ?? '';
    return code;
  }
}

function everyCommand(command: Command, path: readonly string[] = []): { command: Command; path: readonly string[] }[] {
  return [{ command, path }, ...command.commands.flatMap((child) => everyCommand(child, [...path, child.name()]))];
}

const program = await createProgram();

describe('command line', () => {
  it.each(everyCommand(program).map(({ command, path }) => [`hotfire ${path.join(' ')}`.trim(), command, path]))(
    'should explain %s, with examples',
    async (_, command, path) => {
      expect(command.description()).not.toBe('');
      for (const option of command.options) expect(option.description, option.flags).not.toBe('');
      for (const argument of command.registeredArguments) expect(argument.description, argument.name()).not.toBe('');
      expect(await run(...path, '--help')).toBe(0);
      expect(printed).toContain('Usage: hotfire');
      expect(printed).toContain('Examples:\n  $ ');
      // Defaults are told as they are typed, not as JSON.
      expect(printed).not.toMatch(/default: [[{]/);
    },
  );

  it('should end with 64 and the nearest command for an unknown one', async () => {
    expect(await run('sevre')).toBe(64);
    expect(complained).toContain('Did you mean serve?');
    expect(await run('stemedb', 'siez')).toBe(64);
    expect(complained).toContain('Did you mean size?');
  });

  it('should end with 64 and the nearest option for an unknown one', async () => {
    expect(await run('stemedb', 'size', '--writes-per-sec', '3', '--latency-sm', '3')).toBe(64);
    expect(complained).toContain('Did you mean --latency-ms?');
  });

  it('should end with 64 and the nearest engine for an unknown one', async () => {
    expect(await run('serve', 'stemdb')).toBe(64);
    expect(complained).toContain('unknown engine "stemdb"; did you mean stemedb?');
  });

  it.each([
    [['stemedb', 'size']],
    [['stemedb', 'size', '--writes-per-sec', '0']],
    [['stemedb', 'size', '--writes-per-sec', '1', '--bytes', 'much']],
    [['stemedb', 'size', '--writes-per-sec', '1', '--bytes', '64MiB']],
    [['stemedb']],
    [[]],
  ])('should end with 64 for %j', async (words) => {
    expect(await run(...words)).toBe(64);
  });

  it('should print JSON where asked', async () => {
    expect(await run('stemedb', 'size', '--writes-per-sec', '1000', '--latency-ms', '10', '--json')).toBe(0);
    expect(JSON.parse(printed)).toMatchObject({ syncsPerSecond: 100, runbookIops: 1500 });
  });

  it('should end with 78 and say what is wrong with a configuration', async () => {
    expect(await run('serve', 'stemedb', '--config', '/nowhere/api.toml', '--validate-config')).toBe(78);
    expect(complained).toContain('/nowhere/api.toml: expected a readable file, got ENOENT');
  });
});
