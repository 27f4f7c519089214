import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { changerFile } from './changerCases.ts';
import { type Case, parseCases } from './format.ts';
import { interactionFile } from './interactionCases.ts';
import { runQuorumCase } from './quorumCases.ts';

/** A case that printed something else than it must. */
export interface Failure {
  /** `file:line`. */
  readonly where: string;
  readonly directive: string;
  readonly expected: string;
  readonly actual: string;
}

/** What came of one file. */
export interface FileResult {
  readonly file: string;
  readonly cases: number;
  readonly failures: readonly Failure[];
}

/** All cases below a folder, `*.txt`. */
export function caseFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.txt'))
    .sort()
    .map((name) => join(folder, name));
}

/** Which cases a file holds: its folder's name says it, or else its first command. */
function runnerFor(path: string, cases: readonly Case[]): (test: Case) => string {
  const folder = basename(dirname(path));
  const command = cases[0]?.command ?? '';
  if (folder === 'quorum' || ['committed', 'vote'].includes(command)) return runQuorumCase;
  if (folder === 'confchange' || ['simple', 'enter-joint', 'leave-joint'].includes(command)) return changerFile();
  return interactionFile();
}

/** Runs one file, case by case: later ones build on what earlier ones did. */
export function runFile(path: string, root: string): FileResult {
  const file = relative(root, path) || basename(path);
  const cases = parseCases(readFileSync(path, 'utf8'));
  const run = runnerFor(path, cases);
  const failures: Failure[] = [];
  for (const test of cases) {
    const actual = withNewline(outputOf(run, test));
    if (actual === test.expected) continue;
    const directive = [test.command, ...test.args.map(({ key, values }) => argumentWords(key, values))].join(' ');
    failures.push({ where: `${file}:${test.line}`, directive, expected: test.expected, actual });
  }
  return { file, cases: cases.length, failures };
}

function argumentWords(key: string, values: readonly string[]): string {
  if (values.length === 0) return key;
  return values.length === 1 ? `${key}=${values[0]}` : `${key}=(${values.join(',')})`;
}

function outputOf(run: (test: Case) => string, test: Case): string {
  try {
    return run(test);
  } catch (error) {
    return `broke off: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  }
}

function withNewline(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

/** Lines that only one of two texts has, `-` expected and `+` printed, among those that both have. */
export function difference(expected: string, actual: string): string {
  const before = expected.split('\n');
  const after = actual.split('\n');
  // Lengths of the longest common subsequences of the ends of both.
  const common = Array.from({ length: before.length + 1 }, () => new Array<number>(after.length + 1).fill(0));
  const at = (row: number, column: number): number => common[row]?.[column] ?? 0;
  for (let row = before.length - 1; row >= 0; row--) {
    for (let column = after.length - 1; column >= 0; column--) {
      const same = before[row] === after[column];
      const cells = common[row];
      if (cells === undefined) continue;
      cells[column] = same ? at(row + 1, column + 1) + 1 : Math.max(at(row + 1, column), at(row, column + 1));
    }
  }
  const out: string[] = [];
  let row = 0;
  let column = 0;
  while (row < before.length || column < after.length) {
    if (row < before.length && column < after.length && before[row] === after[column]) {
      out.push(`  ${before[row]}`);
      row++;
      column++;
    } else if (column >= after.length || (row < before.length && at(row + 1, column) >= at(row, column + 1))) {
      out.push(`- ${before[row]}`);
      row++;
    } else {
      out.push(`+ ${after[column]}`);
      column++;
    }
  }
  return out.join('\n');
}
