import { type ZodType, z } from 'zod';
import { nearestWord } from '../../../host/nearest.ts';

/** What is wrong with a body, in words and in short. */
export interface BodyProblem {
  readonly message: string;
  readonly expected: string;
  readonly got: string;
}

/** What a JSON schema says of one value, as far as it is looked at here. */
interface Node {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly multipleOf?: number;
  readonly anyOf?: readonly Node[];
  readonly items?: Node;
  readonly properties?: Readonly<Record<string, Node>>;
}

/** Longest value that is told as it came. */
const shownMost = 120;

/** Tells what a schema has found wrong with a value: of a number out of its range the whole range, not the side that it missed. */
export function bodyProblem(value: unknown, schema: ZodType, issues: readonly z.core.$ZodIssue[]): BodyProblem {
  const root: Node = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Node; // the shape that zod documents
  const problems = issues.map((issue) => problem(value, root, issue));
  const [only, ...others] = problems;
  if (only !== undefined && others.length === 0) return only;
  const all = (of: (problem: BodyProblem) => string): string => problems.map(of).join('; ');
  return { message: all((it) => it.message), expected: all((it) => it.expected), got: all((it) => it.got) };
}

function problem(value: unknown, root: Node, issue: z.core.$ZodIssue): BodyProblem {
  if (issue.code === 'unrecognized_keys') return unknownKeys(issue.keys, Object.keys(root.properties ?? {}));
  const expected = authored(issue) ?? rangeOf(nodeAt(root, issue.path)) ?? issue.message;
  const got = shown(valueAt(value, issue.path));
  const key = issue.path.length === 0 ? 'the body' : issue.path.join('.');
  return { message: `${key}: expected ${expected}, got ${got}`, expected, got };
}

function unknownKeys(keys: readonly string[], known: readonly string[]): BodyProblem {
  const hints = keys.map((key) => {
    const nearest = nearestWord(key, known);
    return `${key}${nearest === undefined ? '' : ` (did you mean ${nearest}?)`}`;
  });
  const expected = known.length === 0 ? 'an empty body' : `one of ${known.join(', ')}`;
  return { message: `unknown key ${hints.join(', ')}: expected ${expected}`, expected, got: keys.join(', ') };
}

/** What the schema's author wrote of it. */
function authored({ message }: z.core.$ZodIssue): string | undefined {
  return message.startsWith('expected ') ? message.slice('expected '.length).replace(/, got .*$/, '') : undefined;
}

/** All that a value may be; undefined where the schema does not say it in short. */
function rangeOf(node: Node | undefined): string | undefined {
  if (node === undefined) return undefined;
  if (node.anyOf !== undefined) {
    const ranges = node.anyOf.map(rangeOf);
    return ranges.includes(undefined) ? undefined : ranges.join(' or ');
  }
  if (node.const !== undefined) return String(node.const);
  if (node.enum !== undefined) return `one of ${node.enum.join(', ')}`;
  if (node.type === 'integer' && node.minimum !== undefined && node.maximum !== undefined) {
    const step = node.multipleOf === undefined ? '' : `, a multiple of ${node.multipleOf}`;
    return `${node.minimum} to ${node.maximum}${step}`;
  }
  if (node.type === 'array') return 'a list';
  return node.type === undefined ? undefined : `${/^[aeio]/.test(node.type) ? 'an' : 'a'} ${node.type}`;
}

function nodeAt(root: Node, path: readonly PropertyKey[]): Node | undefined {
  let node: Node | undefined = root;
  for (const key of path) node = typeof key === 'number' ? node?.items : node?.properties?.[String(key)];
  return node;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const key of path) {
    if (typeof current !== 'object' || current === null) return undefined;
    current = Object.getOwnPropertyDescriptor(current, key)?.value;
  }
  return current;
}

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length <= shownMost ? text : `${text.slice(0, shownMost - 3)}...`;
}
