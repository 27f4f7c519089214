/**
 * The session guarantees of Terry et al. ("Session guarantees for weakly consistent replicated data", 1994), as Jepsen names
 * them, over answers that carry versions: `write` (input: `{ key }`, output: `{ version }`) and `read` (input: `{ key }`,
 * output: `{ version }`), where a key's versions are numbers that grow with every write (a revision, an LSN, an offset), 0 for
 * a key that was never written. Other fields are free. Elle infers an order of versions from values; here the store tells it.
 */
import type { Operation, Violation } from './history.ts';
import { byInvocation, type SessionOptions, sessionsOf } from './sessions.ts';

export const sessionGuarantees = [
  'monotonic-reads',
  'read-your-writes',
  'monotonic-writes',
  'writes-follow-reads',
] as const;
export type SessionGuarantee = (typeof sessionGuarantees)[number];

/** Evidence of a broken session guarantee. */
export interface SessionBreak {
  readonly session: number | string;
  readonly key: string;
  /** What the earlier operation of the session was told. */
  readonly before: number;
  /** What the later one was told: lower, or, for a write, not higher. */
  readonly after: number;
}

/** The earlier and the later operation of each guarantee. A write must get a version of its own, so equal is wrong there. */
const pairs: Readonly<Record<SessionGuarantee, readonly [earlier: Kind, later: Kind]>> = {
  'monotonic-reads': ['read', 'read'],
  'read-your-writes': ['write', 'read'],
  'monotonic-writes': ['write', 'write'],
  'writes-follow-reads': ['read', 'write'],
};
type Kind = 'read' | 'write';

/**
 * Every operation of a session that was told an older version than one before it. `fail` and `info` carry no version: a write in
 * doubt binds nobody, since it may never take effect. Each later operation is compared with the highest version that the session
 * was told before it was invoked: one violation for it and each guarantee.
 */
export function checkSessions(
  operations: readonly Operation[],
  options: SessionOptions & { readonly guarantees?: readonly SessionGuarantee[] } = {},
): Violation[] {
  const guarantees = options.guarantees ?? sessionGuarantees;
  for (const operation of operations) kindOf(operation);
  return [...sessionsOf(operations, options)].flatMap(([session, own]) => {
    const answered = byInvocation(own).filter(({ outcome }) => outcome === 'ok');
    return guarantees.flatMap((guarantee) => breaks(session, answered, guarantee));
  });
}

function breaks(session: number | string, answered: readonly Operation[], guarantee: SessionGuarantee): Violation[] {
  const [earlier, later] = pairs[guarantee];
  const highest = new Map<string, { readonly version: number; readonly operation: Operation }>();
  const told = answered
    .filter((operation) => kindOf(operation) === earlier)
    .sort((a, b) => a.completedOrder - b.completedOrder);
  const found: Violation[] = [];
  let next = 0;
  for (const operation of answered) {
    // Operations of one session may run side by side: only what it had been told by then binds it.
    for (let one = told[next]; one !== undefined && one.completedOrder < operation.invokedOrder; one = told[++next]) {
      const version = versionOf(one);
      if (version > (highest.get(keyOf(one))?.version ?? Number.NEGATIVE_INFINITY))
        highest.set(keyOf(one), { version, operation: one });
    }
    const kind = kindOf(operation);
    const [key, version] = [keyOf(operation), versionOf(operation)];
    const before = highest.get(key);
    if (
      kind === later &&
      before !== undefined &&
      (version < before.version || (kind === 'write' && version === before.version))
    ) {
      const evidence: SessionBreak = { session, key, before: before.version, after: version };
      found.push({
        check: guarantee,
        message: `session ${session} was told version ${before.version} of ${key} by a ${earlier}, then version ${version} by a ${later}`,
        atMs: operation.completedAt,
        operations: [before.operation.id, operation.id],
        evidence,
      });
    }
  }
  return found;
}

function kindOf({ id, f }: Operation): Kind {
  if (f === 'read' || f === 'write') return f;
  throw new Error(`operation ${id}: sessions know read and write, not ${f}`);
}

function keyOf({ id, input }: Operation): string {
  const key = (input as { key?: unknown } | null | undefined)?.key;
  if (typeof key === 'string') return key;
  throw new Error(`operation ${id}: expected input with a key, got ${JSON.stringify(input)}`);
}

function versionOf({ id, output }: Operation): number {
  const version = (output as { version?: unknown } | null | undefined)?.version;
  if (typeof version === 'number') return version;
  throw new Error(`operation ${id}: expected an answer with a version, got ${JSON.stringify(output)}`);
}
