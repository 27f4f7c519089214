import type { z } from 'zod';
import { nearestWord } from '../../host/nearest.ts';
import type { ConfigKeys } from './keys.ts';

/** One mistake in a configuration. */
export interface ConfigProblem {
  /** `api.toml:7`, `environment STEMEDB_WAL_DIR`, or the file alone. */
  readonly where: string;
  /** Dotted key; empty for the whole file. */
  readonly key: string;
  readonly expected: string;
  readonly got: string;
  /** The known key that was probably meant. */
  readonly nearest?: string;
  /** The sentence of a rule over several keys, which says by itself what was expected and what came. */
  readonly sentence?: string;
}

/** A configuration cannot be used. `message` has one line a problem; the process ends with 78 (EX_CONFIG). */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(formatProblem).join('\n'));
    this.problems = problems;
  }
}

/** `api.toml:7: wal.segment_bytse: expected a known key, got "wal.segment_bytse"; did you mean wal.segment_bytes?` */
export function formatProblem(problem: ConfigProblem): string {
  const key = problem.key === '' ? '' : `${problem.key}: `;
  if (problem.sentence !== undefined) return `${problem.where}: ${key}${problem.sentence}`;
  const hint = problem.nearest === undefined ? '' : `; did you mean ${problem.nearest}?`;
  return `${problem.where}: ${key}expected ${problem.expected}, got ${problem.got}${hint}`;
}

/** What a person should read of the issues that zod found in `value`. `whereIs` says where a key was set. */
export function problemsOf(
  issues: readonly z.core.$ZodIssue[],
  value: unknown,
  keys: ConfigKeys,
  whereIs: (path: readonly string[]) => string,
): ConfigProblem[] {
  return issues.flatMap((issue) => {
    const path = issue.path.map(String);
    if (issue.code === 'unrecognized_keys') return issue.keys.map((name) => unknownKey(path, name, keys, whereIs));
    const problem = {
      where: whereIs(path),
      key: path.join('.'),
      expected: expectedOf(issue),
      got: shown(at(value, path)),
    };
    return [issue.code === 'custom' ? { ...problem, sentence: issue.message } : problem];
  });
}

function unknownKey(
  section: readonly string[],
  name: string,
  keys: ConfigKeys,
  whereIs: (path: readonly string[]) => string,
): ConfigProblem {
  const path = [...section, name];
  const siblings = keys.namesUnder(section);
  // A key in the wrong section is as common as a misspelt one: look among the section's names first, then at all keys.
  const sibling = nearestWord(name, siblings);
  const elsewhere = keys.leaves.find((leaf) => leaf.at(-1) === name);
  const nearest =
    sibling !== undefined
      ? [...section, sibling].join('.')
      : (elsewhere?.join('.') ??
        nearestWord(
          path.join('.'),
          keys.leaves.map((leaf) => leaf.join('.')),
        ));
  return {
    where: whereIs(path),
    key: path.join('.'),
    expected: `one of ${siblings.join(', ')}`,
    got: JSON.stringify(name),
    ...(nearest === undefined ? {} : { nearest }),
  };
}

function expectedOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return withArticle(issue.expected);
    case 'invalid_value':
      return `one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`;
    case 'too_small':
      return `${unitOf(issue.origin)}${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}`;
    case 'too_big':
      return `${unitOf(issue.origin)}${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}`;
    case 'not_multiple_of':
      return `a multiple of ${issue.divisor}`;
    case 'invalid_format':
      return issue.message.startsWith('Invalid') ? withArticle(issue.format) : authored(issue.message);
    case 'invalid_union': {
      const branches = issue.errors.flatMap((branch) => branch.map(expectedOf));
      return branches.length === 0 ? issue.message : [...new Set(branches)].join(' or ');
    }
    default:
      return authored(issue.message);
  }
}

/** A sentence of the schema's author: it may begin with the word that is put before it. */
function authored(message: string): string {
  return message.replace(/^expected /, '');
}

function unitOf(origin: string): string {
  return origin === 'string' ? 'a length of ' : origin === 'array' || origin === 'set' ? 'a count of ' : '';
}

function withArticle(type: string): string {
  if (type === 'int') return 'an integer';
  if (type === 'object' || type === 'record') return 'a section';
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

function at(value: unknown, path: readonly string[]): unknown {
  let current = value;
  for (const name of path) {
    if (current === null || typeof current !== 'object' || !Object.hasOwn(current, name)) return undefined;
    current = (current as Record<string, unknown>)[name]; // an object with this own key, by the line before
  }
  return current;
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = typeof value === 'bigint' ? `${value}` : (JSON.stringify(value) ?? String(value));
  return text.length <= 120 ? text : `${text.slice(0, 117)}...`;
}
