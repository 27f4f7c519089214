/**
 * Leases with fencing tokens (Gray and Cheriton, "Leases", 1989; M. Kleppmann, "How to do distributed locking", 2016), in the words of
 * the lock model, with times and renewals beside them: `acquire` (output: the token or null; or `{ token, untilMs }`), `renew` (input:
 * `{ token }`, output: `{ untilMs }` or null when it was refused), `release` (input: `{ token }`), `use` (input: `{ token }`; output:
 * whether the protected thing took it), `expire` (somebody took the lease away from its holder). With `key` in the input there are several.
 */
import { effectBefore, mayHaveHappened } from './effect.ts';
import type { Operation, Violation } from './history.ts';
import { byInvocation } from './sessions.ts';

export interface LeaseOptions {
  /**
   * How far `untilMs`, read from the holder's clock, may lie from the time of the history, in milliseconds. A holder counts
   * as one until `untilMs - clockErrorMs`: only what is certain is held against it. Default 0.
   */
  readonly clockErrorMs?: number;
}

/** A time in which one process certainly believed that it held the lease, and was right to. */
export interface Holding {
  readonly key: string;
  readonly token: number;
  readonly process: number;
  /** The answer of `acquire`, in time and in the order of the history. */
  readonly fromMs: number;
  readonly fromOrder: number;
  /** The end of what was granted, less the error of the clock; Infinity: granted without an end. */
  readonly grantedUntilMs: number;
  /** That, or the call that ended it, if that was earlier. */
  readonly untilMs: number;
  /** The call that ended it: of `release`, of a `renew` that was refused, or of `expire`; Infinity: none of these. */
  readonly untilOrder: number;
  /** Ids of `acquire`, and of the renewals that count. */
  readonly operations: readonly number[];
}

/** Evidence of `lease-exclusive`. */
export interface LeaseOverlap {
  readonly key: string;
  readonly first: Holding;
  readonly second: Holding;
}

/** Evidence of `token-grows` and `fenced`. */
export interface StaleToken {
  readonly key: string;
  readonly newer: number;
  /** Given out, or taken, after the newer one. */
  readonly older: number;
}

/**
 * Two never hold a lease at once, as far as clocks can tell; a token that is given out after another was is higher
 * (`token-grows`); the protected thing takes no token after it has taken a higher one (`fenced`). What is `info` gives nobody a
 * lease and proves no use; a `renew` in doubt extends nothing that its holder may count on; an `expire` in doubt may end any
 * holding from its call on. Calls and answers are compared by their order, times only with what was granted in time.
 */
export function checkLeases(operations: readonly Operation[], options: LeaseOptions = {}): Violation[] {
  for (const { id, f } of operations) {
    if (!words.has(f)) throw new Error(`operation ${id}: a lease knows ${[...words].join(', ')}, not ${f}`);
  }
  return [...byKey(operations)].flatMap(([key, own]) => [
    ...overlaps(key, holdingsOf(key, own, options.clockErrorMs ?? 0)),
    ...tokensGrow(key, own),
    ...fenced(key, own),
  ]);
}

const words: ReadonlySet<string> = new Set(['acquire', 'renew', 'release', 'use', 'expire']);

/** Who certainly held the lease of this key, and when, in order of the beginnings. */
export function holdingsOf(key: string, operations: readonly Operation[], clockErrorMs: number): Holding[] {
  const endOf = endings(operations);
  const renewals = byToken(operations.filter(({ f }) => f === 'renew'));
  const holdings = operations.flatMap((acquire): Holding[] => {
    const granted = acquire.f === 'acquire' ? grantOf(acquire) : undefined;
    if (granted === undefined) return [];
    const end = endOf(acquire, granted.token);
    // What may have ended before its holder knew of it was never certain.
    if (end !== undefined && end.invokedOrder < acquire.completedOrder) return [];
    const untilOrder = end?.invokedOrder ?? Number.POSITIVE_INFINITY;
    let until = granted.untilMs - clockErrorMs;
    const ids = [acquire.id];
    for (const renew of byInvocation(renewals.get(granted.token) ?? [])) {
      if (renew.invokedOrder < acquire.completedOrder) continue;
      // What comes when it has run out, or was given back, changes it no more.
      if (renew.invokedAt >= until || renew.invokedOrder >= untilOrder) break;
      const renewed = renew.outcome === 'ok' ? untilOf(renew) : undefined;
      // A renewal that came when the lease had run out does not make the time between a holding.
      if (renewed === undefined || renew.completedAt > until) continue;
      until = renewed - clockErrorMs;
      ids.push(renew.id);
    }
    if (until <= acquire.completedAt) return [];
    return [
      {
        key,
        token: granted.token,
        process: acquire.process,
        fromMs: acquire.completedAt,
        fromOrder: acquire.completedOrder,
        grantedUntilMs: until,
        untilMs: Math.min(until, end?.invokedAt ?? until),
        untilOrder,
        operations: ids,
      },
    ];
  });
  return holdings.sort((a, b) => a.fromOrder - b.fromOrder);
}

/**
 * For an `acquire`: the first call that may have ended what it gave. An `expire` in time, or one that was called before and can take
 * effect after it; whatever concerns its token: who asks for a release relies on the lease no longer, whatever comes of it, and who
 * was refused a renewal has been told.
 */
function endings(operations: readonly Operation[]): (acquire: Operation, token: number) => Operation | undefined {
  const expires = byInvocation(operations.filter((one) => one.f === 'expire' && mayHaveHappened(one)));
  /** For each of them, the one among it and those before that can take effect latest. */
  const latest: Operation[] = [];
  for (const one of expires) {
    const before = latest.at(-1);
    latest.push(before !== undefined && effectBefore(before) > effectBefore(one) ? before : one);
  }
  const givenUp = byToken(
    operations.filter(
      (one) => one.f === 'release' || (one.f === 'renew' && one.outcome === 'ok' && untilOf(one) === undefined),
    ),
  );
  return (acquire, token) => {
    const next = firstAfter(expires, acquire.completedOrder);
    const early = latest[next - 1];
    const own = (givenUp.get(token) ?? []).filter((one) =>
      mayHaveHappened(one) ? effectBefore(one) > acquire.invokedOrder : one.invokedOrder > acquire.completedOrder,
    );
    const expire = early !== undefined && effectBefore(early) > acquire.invokedOrder ? early : expires[next];
    return byInvocation(expire === undefined ? own : [...own, expire])[0];
  };
}

/** Index of the first operation that was invoked after this order, in a list sorted by invocation. */
function firstAfter(sorted: readonly Operation[], order: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle]?.invokedOrder ?? 0) > order) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** One for each holding that begins while another process has one. Who gets a second one for itself shares with nobody. */
function overlaps(key: string, holdings: readonly Holding[]): Violation[] {
  const found: Violation[] = [];
  let open: Holding[] = [];
  for (const second of holdings) {
    open = open.filter(({ untilOrder }) => untilOrder > second.fromOrder);
    // Calls end a holding at a place in the order; what was granted ends in time alone.
    const first = open.find(
      ({ process, grantedUntilMs }) => process !== second.process && grantedUntilMs > second.fromMs,
    );
    if (first !== undefined) {
      const evidence: LeaseOverlap = { key, first, second };
      found.push({
        check: 'lease-exclusive',
        message:
          `process ${second.process} got the lease${of(key)} with token ${second.token} at ${second.fromMs} ms, ` +
          `while process ${first.process} held it with token ${first.token} until ${first.untilMs} ms`,
        atMs: second.fromMs,
        operations: [...first.operations, ...second.operations],
        evidence,
      });
    }
    open = open.filter(
      ({ process, grantedUntilMs, untilOrder }) =>
        process !== second.process || grantedUntilMs > second.grantedUntilMs || untilOrder > second.untilOrder,
    );
    open.push(second);
  }
  return found;
}

/** One for each grant that came after one with a token as high or higher. */
function tokensGrow(key: string, operations: readonly Operation[]): Violation[] {
  const grants = operations.flatMap((operation) => {
    const granted = operation.f === 'acquire' ? grantOf(operation) : undefined;
    return granted === undefined ? [] : [{ operation, token: granted.token }];
  });
  const stale = staleTokens(grants, (newer, older) => older <= newer);
  // Two that ran side by side may get any two tokens, but not the same.
  const byToken = new Map<number, Operation>();
  for (const { operation, token } of grants) {
    const other = byToken.get(token);
    byToken.set(token, operation);
    if (other === undefined || stale.some((pair) => pair.later === operation || pair.later === other)) continue;
    stale.push({ earlier: other, later: operation, newer: token, older: token });
  }
  return stale.map(({ earlier, later, newer, older }) => {
    const evidence: StaleToken = { key, newer, older };
    return {
      check: 'token-grows',
      message: `the lease${of(key)} was given out with token ${older} after token ${newer}`,
      atMs: later.completedAt,
      operations: [earlier.id, later.id],
      evidence,
    };
  });
}

/** One for each use that was taken though a higher token had been taken before it began. */
function fenced(key: string, operations: readonly Operation[]): Violation[] {
  const taken = operations.flatMap((operation) =>
    operation.f === 'use' && operation.outcome === 'ok' && operation.output !== false
      ? [{ operation, token: tokenOf(operation) }]
      : [],
  );
  return staleTokens(taken, (newer, older) => older < newer).map(({ earlier, later, newer, older }) => {
    const evidence: StaleToken = { key, newer, older };
    return {
      check: 'fenced',
      message: `token ${older}${of(key)} was taken after token ${newer} had been`,
      atMs: later.completedAt,
      operations: [earlier.id, later.id],
      evidence,
    };
  });
}

interface StalePair {
  readonly earlier: Operation;
  readonly later: Operation;
  readonly newer: number;
  readonly older: number;
}

/** For each operation, the one with the highest token among those answered before it began, if that token makes it stale. */
function staleTokens(
  tokens: readonly { readonly operation: Operation; readonly token: number }[],
  isStale: (newer: number, older: number) => boolean,
): StalePair[] {
  const answered = [...tokens].sort((a, b) => a.operation.completedOrder - b.operation.completedOrder);
  const begun = [...tokens].sort((a, b) => a.operation.invokedOrder - b.operation.invokedOrder);
  const found: StalePair[] = [];
  let next = 0;
  let highest: (typeof tokens)[number] | undefined;
  for (const { operation, token } of begun) {
    for (let other = answered[next]; other !== undefined; other = answered[next]) {
      if (other.operation.completedOrder >= operation.invokedOrder) break;
      if (highest === undefined || other.token > highest.token) highest = other;
      next++;
    }
    if (highest === undefined || !isStale(highest.token, token)) continue;
    found.push({ earlier: highest.operation, later: operation, newer: highest.token, older: token });
  }
  return found;
}

function byToken(operations: readonly Operation[]): Map<number, Operation[]> {
  const tokens = new Map<number, Operation[]>();
  for (const operation of operations) {
    const token = tokenOf(operation);
    const own = tokens.get(token);
    if (own === undefined) tokens.set(token, [operation]);
    else own.push(operation);
  }
  return tokens;
}

function byKey(operations: readonly Operation[]): Map<string, Operation[]> {
  const keys = new Map<string, Operation[]>();
  for (const operation of operations) {
    const { key = '' } = (operation.input ?? {}) as { readonly key?: string }; // none: there is one lease
    const own = keys.get(key);
    if (own === undefined) keys.set(key, [operation]);
    else own.push(operation);
  }
  return keys;
}

/** What an `acquire` gave; undefined when it gave nothing, or nobody knows. */
function grantOf({ id, outcome, output }: Operation): { readonly token: number; readonly untilMs: number } | undefined {
  if (outcome !== 'ok' || output === null) return undefined;
  if (typeof output === 'number') return { token: output, untilMs: Number.POSITIVE_INFINITY };
  const { token, untilMs = Number.POSITIVE_INFINITY } = (output ?? {}) as { token?: unknown; untilMs?: unknown }; // tested below
  if (typeof token === 'number' && typeof untilMs === 'number') return { token, untilMs };
  throw new Error(
    `operation ${id}: expected the answer of acquire to be a token, { token, untilMs } or null, got ${JSON.stringify(output)}`,
  );
}

function untilOf({ id, output }: Operation): number | undefined {
  if (output === null) return undefined;
  const { untilMs } = (output ?? {}) as { untilMs?: unknown }; // tested below
  if (typeof untilMs === 'number') return untilMs;
  throw new Error(
    `operation ${id}: expected the answer of renew to be { untilMs } or null, got ${JSON.stringify(output)}`,
  );
}

function tokenOf({ id, f, input }: Operation): number {
  const { token } = (input ?? {}) as { token?: unknown }; // tested below
  if (typeof token === 'number') return token;
  throw new Error(`operation ${id}: expected the input of ${f} to have a token, got ${JSON.stringify(input)}`);
}

function of(key: string): string {
  return key === '' ? '' : ` of ${key}`;
}
