import { commonSequence } from './commonSequence.ts';
import type { Operation, Violation } from './history.ts';

/** Evidence of `converged`: one place in which the replicas do not agree. */
export interface Difference {
  /**
   * Keys and indexes that lead to the place from the root of a replica's state; empty: the root itself. An index is that of the first
   * replica that has the entry: lists may have shifted against each other.
   */
  readonly path: readonly (string | number)[];
  /** What stands there, and which replicas say so; those without a value there have none. The most common first. */
  readonly versions: readonly { readonly replicas: readonly string[]; readonly value?: unknown }[];
}

export interface ConvergenceOptions {
  /** The history: its operations that touched the differing place are named in the violation. Default none. */
  readonly operations?: readonly Operation[];
  /** Whether an operation touched a place. Default: its input, or the `key` or `id` of its input, is the first step of the path. */
  readonly touches?: (operation: Operation, path: Difference['path']) => boolean;
}

/**
 * All replicas hold the same at the end, once nothing is under way. Their states are plain data (what JSON can say; the order of
 * keys does not count, that of lists does); one violation for each place that differs, as deep as it can be named. Lists are compared
 * by what they hold: an entry that one alone has is one difference, however far it shifts the others. A place at which one has an object or list and another has none of that kind is named as a whole. Throws when there are fewer than two.
 */
export function checkConvergence(
  replicas: Readonly<Record<string, unknown>>,
  options: ConvergenceOptions = {},
): Violation[] {
  const names = Object.keys(replicas);
  if (names.length < 2) throw new Error(`expected two replicas or more to compare, got ${names.length}`);
  const differences = compare(
    names.map((name) => [name, replicas[name]]),
    [],
  );
  const touches = options.touches ?? touchesFirstStep;
  return differences.map((difference) => ({
    check: 'converged',
    message: `replicas differ at ${nameOf(difference.path)}: ${difference.versions.map(sayVersion).join('; ')}`,
    operations: (options.operations ?? [])
      .filter((operation) => touches(operation, difference.path))
      .map(({ id }) => id),
    evidence: difference,
  }));
}

type Held = readonly (readonly [replica: string, value: unknown])[];

function compare(held: Held, path: Difference['path']): Difference[] {
  const values = held.map(([, value]) => value);
  if (values.every(isRecord)) {
    const keys = [...new Set(values.flatMap((value) => Object.keys(value)))].sort();
    return keys.flatMap((key) =>
      compare(
        within(held, (value) => own(value, key)),
        [...path, key],
      ),
    );
  }
  if (values.every((value) => Array.isArray(value))) {
    return compareLists(
      held.map(([replica]) => replica),
      values,
      path,
    );
  }
  const versions = new Map<string, { replicas: string[]; value: unknown }>();
  for (const [replica, value] of held) {
    const text = canonical(value);
    const version = versions.get(text);
    if (version === undefined) versions.set(text, { replicas: [replica], value });
    else version.replicas.push(replica);
  }
  if (versions.size === 1) return [];
  const sorted = [...versions.values()].sort((a, b) => b.replicas.length - a.replicas.length);
  return [
    {
      path,
      versions: sorted.map(({ replicas, value }) => (value === undefined ? { replicas } : { replicas, value })),
    },
  ];
}

/** Between what all lists have in common, in that order: entry by entry where there are as many, otherwise by what only some hold. */
function compareLists(
  replicas: readonly string[],
  lists: readonly (readonly unknown[])[],
  path: Difference['path'],
): Difference[] {
  const texts = lists.map((list) => list.map(canonical));
  const starts = lists.map(() => 0);
  const found: Difference[] = [];
  for (const anchor of [...anchorsOf(texts), lists.map((list) => list.length)]) {
    found.push(...compareGap(replicas, lists, texts, starts, anchor, path));
    for (const [number, index] of anchor.entries()) starts[number] = index + 1;
  }
  return found;
}

/** Places of entries that all lists share, each as its index in every list. */
function anchorsOf(texts: readonly (readonly string[])[]): number[][] {
  const [first = [], ...others] = texts;
  let anchors = first.map((_, index) => [index]);
  for (const other of others) {
    const common = commonSequence(
      anchors.map(([index = 0]) => first[index] ?? ''),
      other,
    );
    anchors = common.map(([number, index]) => [...(anchors[number] ?? []), index]);
  }
  return anchors;
}

function compareGap(
  replicas: readonly string[],
  lists: readonly (readonly unknown[])[],
  texts: readonly (readonly string[])[],
  starts: readonly number[],
  ends: readonly number[],
  path: Difference['path'],
): Difference[] {
  const gaps = lists.map((_, number) => ({ from: starts[number] ?? 0, to: ends[number] ?? 0 }));
  const [{ from, to } = { from: 0, to: 0 }] = gaps;
  if (gaps.every((gap) => gap.to - gap.from === to - from)) {
    return Array.from({ length: to - from }, (_, at) =>
      compare(
        replicas.map((replica, number) => [replica, lists[number]?.[(starts[number] ?? 0) + at]]),
        [...path, from + at],
      ),
    ).flat();
  }
  /** The first, second … time that each text stands there: who has it, and where. */
  const entries = new Map<string, { index: number; value: unknown; replicas: string[] }>();
  for (const [number, gap] of gaps.entries()) {
    const times = new Map<string, number>();
    for (let index = gap.from; index < gap.to; index++) {
      const text = texts[number]?.[index] ?? '';
      const time = (times.get(text) ?? 0) + 1;
      times.set(text, time);
      const name = `${time} ${text}`;
      const entry = entries.get(name);
      if (entry !== undefined) entry.replicas.push(replicas[number] ?? '');
      else entries.set(name, { index, value: lists[number]?.[index], replicas: [replicas[number] ?? ''] });
    }
  }
  return [...entries.values()]
    .filter((entry) => entry.replicas.length < replicas.length)
    .map(({ index, value, replicas: having }) => {
      const lacking = replicas.filter((replica) => !having.includes(replica));
      const versions: Difference['versions'][number][] = [{ replicas: having, value }, { replicas: lacking }];
      return { path: [...path, index], versions: versions.sort((a, b) => b.replicas.length - a.replicas.length) };
    });
}

function within(held: Held, part: (value: unknown) => unknown): Held {
  return held.map(([replica, value]) => [replica, part(value)]);
}

/** What stands at this key; nothing inherited. */
function own(value: unknown, key: string | number): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Readonly<Record<string | number, unknown>>)[key]; // it has it: asked above
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Equal values have equal texts. */
function canonical(value: unknown): string {
  if (value === undefined) return 'nothing';
  return JSON.stringify(value, (_, part: unknown) =>
    isRecord(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part,
  );
}

function touchesFirstStep({ input }: Operation, path: Difference['path']): boolean {
  const [first] = path;
  if (first === undefined) return false;
  if (!isRecord(input)) return input === first;
  return input.key === first || input.id === first;
}

function nameOf(path: Difference['path']): string {
  return path.length === 0 ? 'the whole state' : path.join(' › ');
}

function sayVersion({ replicas, ...rest }: Difference['versions'][number]): string {
  const text = 'value' in rest ? JSON.stringify(rest.value) : 'nothing';
  const shown = text.length > 60 ? `${text.slice(0, 59)}…` : text;
  return `${shown} on ${replicas.join(', ')}`;
}
