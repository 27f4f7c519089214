import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadNative } from '../../src/real/native.ts';
import { parseCommandLine } from '../support/commandLine.ts';
import { hasRedisServer } from '../support/redisServer.ts';
import { type Block, blocksIn, blocksOf, pages, root } from './harness/blocks.ts';
import { checkJson, checkTokens, checkToml, checkUnit, checkYaml } from './harness/data.ts';
import { applyDiff, openSession, type Session } from './harness/session.ts';
import { commandsOf, runConsole, runScript } from './harness/shell.ts';
import { checkTypes, runFiles } from './harness/typescript.ts';

// Every block of the documentation is run, in the order of its page, as a reader would who follows it. A block of a kind that
// nothing here runs fails.

/** What is done with a block of this language; `text` is for diagrams and for what a program prints. */
const kinds: Readonly<Record<string, (block: Block, session: Session, page: readonly Block[]) => Promise<void>>> = {
  console: (block, session) => runConsole(session, block.text, block.marks.get('exit')),
  diff: async (block, session) => applyDiff(session, block.text),
  ini: (block) => checkUnit(block),
  json: async (block) => checkJson(block),
  sh: (block, session) => runScript(session, block.text),
  text: async () => {},
  tokens: (block, session) => checkTokens(block, session),
  toml: (block, session) => checkToml(block, session),
  // Saved before all others, and checked and run together.
  ts: async (block) => expect(block.file, 'expected <!-- file: PATH --> before a block of TypeScript').toBeDefined(),
  yaml: (block, session, page) =>
    checkYaml(
      block,
      page.find(({ language, text }) => language === 'yaml' && /^title:/m.test(text)),
      session,
    ),
};

async function follow(page: string): Promise<void> {
  const blocks = blocksOf(page);
  const session = await openSession(blocks);
  try {
    for (const block of blocks) if (block.file !== undefined) session.save(block.file, block.text);
    for (const block of blocks) {
      const kind = kinds[block.language];
      if (kind === undefined)
        throw new Error(
          `${page}:${block.line}: nothing runs a block of ${block.language || 'no language'}; there are ${Object.keys(kinds).join(', ')}`,
        );
      try {
        // What a page tells to change is changed before its programs run.
        if (block.language === 'diff') await kind(block, session, blocks);
      } catch (error) {
        throw at(page, block, error);
      }
    }
    const typescript = blocks.filter(({ language }) => language === 'ts');
    if (typescript.length > 0) {
      await checkTypes(session, typescript);
      await runFiles(session, blocks);
    }
    for (const block of blocks) {
      if (block.language === 'diff') continue;
      await kinds[block.language]?.(block, session, blocks).catch((error) => {
        throw at(page, block, error);
      });
    }
  } finally {
    await session.close();
  }
}

function at(page: string, block: Block, error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error);
  return new Error(`${page}:${block.line}: ${message}`, { cause: error });
}

const withBlocks = pages().filter((page) => blocksOf(page).length > 0);
const needing = (word: string) => withBlocks.filter((page) => blocksOf(page).some(({ text }) => text.includes(word)));
const needRedis = needing('redis://');
const needAddon = needing('hotfire serve indexbus');
const needNothing = withBlocks.filter((page) => !needRedis.includes(page) && !needAddon.includes(page));

// Seconds a page on a machine of its own; the limits are for one that others use too.
describe('the documentation', { timeout: 300_000 }, () => {
  it.concurrent.each(needNothing)('%s should do what its blocks show', follow);

  it('should have a block on most pages that this finds', () => {
    expect(withBlocks.length).toBeGreaterThanOrEqual(8);
    expect(withBlocks).toEqual(expect.arrayContaining(['README.md', 'docs/faults.md', 'docs/ci.md']));
    expect(needRedis).toEqual(['docs/ci.md']);
    expect(needAddon.sort()).toEqual(['docs/indexbus-library.md', 'docs/indexbus.md']);
  });
});

describe.skipIf(!hasRedisServer)(
  'the documentation of campaigns (skipped without redis-server)',
  {
    timeout: 300_000,
  },
  () => {
    it.each(needRedis)('%s should do what its blocks show', follow);
  },
);

// A program meets its router in shared memory.
describe.skipIf(!('addon' in loadNative()))(
  'the documentation of shared memory (skipped without the addon)',
  { timeout: 60_000 },
  () => {
    it.each(needAddon)('%s should do what its blocks show', follow);
  },
);

describe('command lines within sentences and tables', () => {
  it.each(pages())('%s should have none that the program does not take', async (page) => {
    for (const line of commandLinesIn(page)) {
      // A sentence may name a command without all that it needs.
      const named = ['commander.help', 'commander.missingArgument', 'commander.missingMandatoryOptionValue'];
      const problem = await parseCommandLine(line).catch((error) => (named.includes(error.code) ? undefined : error));
      expect(problem, `hotfire ${line.join(' ')}`).toBeUndefined();
    }
  });

  it('should be found, and refused when an option is not there', async () => {
    await expect(parseCommandLine(['chaos', 'stemedb', '--sheds', '1'])).rejects.toThrow('--sheds');
    expect(commandLinesIn('README.md')).toContainEqual(['chaos', 'stemedb', '--seeds', '1000']);
  });
});

/**
 * `hotfire …` in backquotes; not those that leave something out or are of the engine that a page makes up, nor the `kind` of a
 * file of findings.
 */
function commandLinesIn(page: string): string[][] {
  const text = readFileSync(join(root, page), 'utf8').replaceAll(/^( *)```[\s\S]*?^\1```/gm, '');
  const lines = [...text.matchAll(/`(?:npx )?hotfire ([^`]+)`/g)].map(([, line = '']) => line.replaceAll('\\|', '|'));
  return lines
    .filter((line) => !/[…|<[]|\btally\b/.test(line) && line !== 'findings')
    .map((line) => line.split(/\s+/).map((word) => (word === 'N' ? '1' : word)));
}

describe('the finder of blocks', () => {
  it('should find blocks in lists, with their marks, and refuse one that is not closed', () => {
    const text = '1. Do\n\n   ```sh\n   a\n     b\n   ```\n<!-- schema: error -->\n```json\n{}\n```\n```\nx\n```\n';
    expect(blocksIn(text).map(({ language, text, line }) => [language, text, line])).toEqual([
      ['sh', 'a\n  b\n', 3],
      ['json', '{}\n', 8],
      ['', 'x\n', 11],
    ]);
    expect(blocksIn(text)[1]?.marks.get('schema')).toBe('error');
    expect(() => blocksIn('```sh\na\n')).toThrow('line 1: the block is not closed');
  });

  it('should part commands from what they print', () => {
    expect(commandsOf('$ a \\\n> b\none\n$ echo $?\n1\n')).toEqual([
      { command: 'a \\\nb', output: ['one'] },
      { command: 'echo $?', output: ['1'] },
    ]);
    expect(() => commandsOf('a\n')).toThrow('to begin with "$ "');
  });
});
