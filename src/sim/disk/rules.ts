/** Which bytes of which files a rule is about. */
export interface RuleTarget {
  /** Absolute path: a file, a directory with all below it, or a glob with `*`, `**`, `?`. Default: every file. */
  readonly path?: string;
  /** Bytes `from` (included) to `to` (excluded) of the file. Default: all. */
  readonly range?: { readonly from: number; readonly to: number };
}

/** What becomes of the dirty pages, and who is told, when a sync fails. See the table of faults. */
export type SyncErrorVariant = 'keep' | 'revert' | 'late' | 'lost' | 'false';

/** One fault of operations that is on. `share` is a probability. */
export type Rule = RuleTarget &
  (
    | { readonly kind: 'sync-error'; readonly variant: SyncErrorVariant; remaining: number }
    | {
        readonly kind: 'io-error';
        readonly operation: 'read' | 'write';
        readonly share: number;
        /** False: what failed once fails always, until the rule is gone. */
        readonly transient: boolean;
      }
    | { readonly kind: 'lost-write'; readonly share: number }
    | { readonly kind: 'misdirected-write'; readonly share: number }
    | { readonly kind: 'misdirected-read'; readonly share: number }
    | { readonly kind: 'lying-sync'; readonly delayMs: number }
    | { readonly kind: 'short-io'; readonly share: number }
    /** No space is left at this operation, whatever was set aside before. */
    | { readonly kind: 'no-space'; readonly operation: 'write' | 'sync' }
    | { readonly kind: 'read-only' }
    | { readonly kind: 'gone' }
  );

export type RuleKind = Rule['kind'];
export type RuleOf<K extends RuleKind> = Extract<Rule, { readonly kind: K }>;

/** A rule with its number and a test of paths. */
export interface ActiveRule<R extends Rule = Rule> {
  readonly id: number;
  readonly rule: R;
  readonly matches: (path: string) => boolean;
  /** Positions that failed for good (io-error that is not transient). */
  readonly struck: Set<string>;
}

/** A test for absolute paths: see `RuleTarget.path`. */
export function pathMatcher(pattern: string | undefined): (path: string) => boolean {
  if (pattern === undefined) return () => true;
  if (!/[*?]/.test(pattern)) {
    const directory = pattern.endsWith('/') ? pattern : `${pattern}/`;
    return (path) => path === pattern || path.startsWith(directory);
  }
  const source = pattern.replace(/\*\*|\*|\?|[^*?]+/g, (part) => {
    if (part === '**') return '.*';
    if (part === '*') return '[^/]*';
    if (part === '?') return '[^/]';
    return part.replace(/[\\^$.+()|[\]{}]/g, '\\$&');
  });
  const expression = new RegExp(`^${source}$`);
  return (path) => expression.test(path);
}

/** Whether the rule's range and `count` bytes from `position` share a byte. */
export function touches(target: RuleTarget, position: number, count: number): boolean {
  if (target.range === undefined) return true;
  return position < target.range.to && position + Math.max(count, 1) > target.range.from;
}

/** The rules of one device by kind: an empty list costs nothing and draws nothing. */
export class RuleBook {
  readonly #byKind = new Map<RuleKind, ActiveRule[]>();
  #nextId = 1;

  add(rule: Rule): ActiveRule {
    const active: ActiveRule = { id: this.#nextId, rule, matches: pathMatcher(rule.path), struck: new Set() };
    this.#nextId += 1;
    const list = this.#byKind.get(rule.kind);
    if (list === undefined) this.#byKind.set(rule.kind, [active]);
    else list.push(active);
    return active;
  }

  /** A number for damage that is done at once, so that it can be healed. */
  reserveId(): number {
    this.#nextId += 1;
    return this.#nextId - 1;
  }

  remove(id: number): void {
    for (const [kind, list] of this.#byKind) {
      const left = list.filter((active) => active.id !== id);
      if (left.length === 0) this.#byKind.delete(kind);
      else this.#byKind.set(kind, left);
    }
  }

  get isEmpty(): boolean {
    return this.#byKind.size === 0;
  }

  /** The rules of a kind that are about this file and these bytes. */
  of<K extends RuleKind>(
    kind: K,
    path: () => string,
    position = 0,
    count = Number.MAX_SAFE_INTEGER,
  ): ActiveRule<RuleOf<K>>[] {
    const list = this.#byKind.get(kind);
    if (list === undefined) return [];
    const name = path();
    return list.filter(
      // The map holds under a kind the rules of this kind alone.
      (active): active is ActiveRule<RuleOf<K>> => active.matches(name) && touches(active.rule, position, count),
    );
  }
}
