import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const root: string = resolve(import.meta.dirname, '../../..');

/** A fenced block of a page. */
export interface Block {
  /** Word behind the fence; empty when there is none. */
  readonly language: string;
  readonly text: string;
  /** Line of the fence, from 1. */
  readonly line: number;
  /** From a comment `<!-- file: PATH -->` on the line before: the reader saves it there. */
  readonly file: string | undefined;
  /** From a comment `<!-- KEY: VALUE -->` on the lines before, such as `schema: report`. */
  readonly marks: ReadonlyMap<string, string>;
}

/** The pages whose blocks are run, from the root of the repository. */
export function pages(): string[] {
  return [...['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md'], ...globSync('docs/**/*.md', { cwd: root }).sort()];
}

export function blocksOf(page: string): Block[] {
  return blocksIn(readFileSync(join(root, page), 'utf8'));
}

/** Every fenced block, also indented ones (of lists), whose indentation is taken off. */
export function blocksIn(text: string): Block[] {
  const lines = text.split('\n');
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; at++) {
    const [, indent = '', fence = '', language = ''] = /^(\s*)(`{3,}|~{3,})\s*(\S*)/.exec(lines[at] ?? '') ?? [];
    if (fence === '') continue;
    const start = at;
    const content: string[] = [];
    for (at++; at < lines.length && lines[at]?.trim() !== fence; at++) {
      const line = lines[at] ?? '';
      content.push(line.startsWith(indent) ? line.slice(indent.length) : line.trimStart());
    }
    if (at >= lines.length) throw new Error(`line ${start + 1}: the block is not closed`);
    const marks = marksBefore(lines, start);
    blocks.push({ language, text: `${content.join('\n')}\n`, line: start + 1, file: marks.get('file'), marks });
  }
  return blocks;
}

function marksBefore(lines: readonly string[], fence: number): Map<string, string> {
  const marks = new Map<string, string>();
  for (let at = fence - 1; at >= 0; at--) {
    const [, key, value] = /^\s*<!-- ([a-z]+): (.*?) -->\s*$/.exec(lines[at] ?? '') ?? [];
    if (key === undefined || value === undefined) break;
    marks.set(key, value);
  }
  return marks;
}
