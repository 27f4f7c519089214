import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Operation } from '../../src/checkers/history.ts';
import { checkLeases, type LeaseOptions } from '../../src/checkers/lease.ts';
import { checkLinearizability } from '../../src/checkers/linearizability.ts';
import { lockModel } from '../../src/checkers/models/lock.ts';
import { drawnHistories } from './drawn.ts';
import { op } from './histories.ts';

const acquired = (id: number, process: number, at: number, token: number, untilMs?: number) =>
  op(id, process, 'acquire', undefined, at - 1, at, untilMs === undefined ? token : { token, untilMs });
const found = (operations: readonly Operation[], options?: LeaseOptions) =>
  checkLeases(operations, options).map(({ check, operations: ids }) => [check, ...(ids ?? [])]);

describe('leases', () => {
  test('should be held by one process at a time', () => {
    expect(found([acquired(0, 1, 10, 1, 50), acquired(1, 2, 51, 2, 90)])).toEqual([]);
    expect(found([acquired(0, 1, 10, 1, 50), acquired(1, 2, 40, 2, 90)])).toEqual([['lease-exclusive', 0, 1]]);
    expect(found([acquired(0, 1, 10, 1, 50), acquired(1, 1, 40, 2, 90)])).toEqual([]);
    expect(checkLeases([acquired(0, 1, 10, 1, 50), acquired(1, 2, 40, 2, 90)])[0]).toMatchObject({
      atMs: 40,
      evidence: {
        key: '',
        first: { process: 1, token: 1, fromMs: 10, untilMs: 50 },
        second: { process: 2, token: 2, fromMs: 40, untilMs: 90 },
      },
    });
  });

  test('should hold against nobody what the error of the clocks may explain', () => {
    const history = [acquired(0, 1, 10, 1, 50), acquired(1, 2, 45, 2, 90)];
    expect(found(history, { clockErrorMs: 4 })).toEqual([['lease-exclusive', 0, 1]]);
    expect(found(history, { clockErrorMs: 5 })).toEqual([]);
  });

  test('should end with the call of a release, whatever comes of it, or when it was taken away', () => {
    for (const outcome of ['ok', 'info', 'fail'] as const) {
      const released = op(1, 1, 'release', { token: 1 }, 20, 60, true, outcome);
      expect(found([acquired(0, 1, 10, 1), released, acquired(2, 2, 30, 2)])).toEqual([]);
    }
    const expired = (outcome: Operation['outcome']) => op(1, 9, 'expire', undefined, 20, 60, true, outcome);
    expect(found([acquired(0, 1, 10, 1), expired('ok'), acquired(2, 2, 30, 2)])).toEqual([]);
    expect(found([acquired(0, 1, 10, 1), expired('fail'), acquired(2, 2, 30, 2)])).toEqual([['lease-exclusive', 0, 2]]);
  });

  test('should not rest on what an expiry may have ended that was under way when it was got', () => {
    const expiring = (from: number, to: number, outcome?: Operation['outcome']) =>
      op(1, 9, 'expire', undefined, from, to, true, outcome);
    const history = (expire: Operation) => [acquired(0, 1, 10, 1), expire, acquired(2, 2, 30, 2)];
    expect(found(history(expiring(1, 15)))).toEqual([]);
    expect(found(history(expiring(1, 9.5)))).toEqual([]);
    expect(found(history(expiring(1, 2, 'info')))).toEqual([]);
    expect(found(history(expiring(1, 15, 'fail')))).toEqual([['lease-exclusive', 0, 2]]);
    // Answered before the lease was asked for, or asked for when both had it: it explains nothing.
    expect(found(history(expiring(1, 8)))).toEqual([['lease-exclusive', 0, 2]]);
    expect(found(history(expiring(31, 40)))).toEqual([['lease-exclusive', 0, 2]]);
  });

  test('should end with the call of a renewal that was refused', () => {
    const refused = (from: number) => op(1, 1, 'renew', { token: 1 }, from, from + 1, null);
    expect(found([acquired(0, 1, 10, 1, 100), refused(51), acquired(2, 2, 61, 2)])).toEqual([]);
    expect(found([acquired(0, 1, 10, 1, 100), refused(71), acquired(2, 2, 61, 2)])).toEqual([
      ['lease-exclusive', 0, 2],
    ]);
  });

  test('should go by orders, not by milliseconds, where calls and answers decide', () => {
    const at = (operation: Operation, invokedAt: number, completedAt: number) => ({
      ...operation,
      invokedAt,
      completedAt,
    });
    const released = (from: number) => at(op(1, 1, 'release', { token: 1 }, from, from + 1, true), 5, 5);
    const both = [at(acquired(0, 1, 10, 1), 5, 5), at(acquired(2, 2, 30, 2), 5, 5)];
    expect(found([...both, released(40)])).toEqual([['lease-exclusive', 0, 2]]);
    expect(found([...both, released(20)])).toEqual([]);
  });

  test('should last longer when renewed in time, and only if the holder knows of it', () => {
    const renewed = (at: number, output: unknown, outcome?: Operation['outcome']) =>
      op(1, 1, 'renew', { token: 1 }, at - 1, at, output, outcome);
    const second = acquired(2, 2, 70, 2, 99);
    expect(found([acquired(0, 1, 10, 1, 50), renewed(40, { untilMs: 80 }), second])).toEqual([
      ['lease-exclusive', 0, 1, 2],
    ]);
    expect(found([acquired(0, 1, 10, 1, 50), renewed(40, null), second])).toEqual([]);
    expect(found([acquired(0, 1, 10, 1, 50), renewed(40, undefined, 'info'), second])).toEqual([]);
    expect(found([acquired(0, 1, 10, 1, 50), renewed(55, { untilMs: 80 }), second])).toEqual([]);
  });

  test('should give every later holder a higher token, and nobody the same', () => {
    expect(found([acquired(0, 1, 10, 5, 20), acquired(1, 2, 30, 4, 40)])).toEqual([['token-grows', 0, 1]]);
    expect(found([acquired(0, 1, 10, 5, 20), acquired(1, 2, 30, 5, 40)])).toEqual([['token-grows', 0, 1]]);
    const beside = (token: number) => op(1, 2, 'acquire', undefined, 5, 30, { token, untilMs: 0 });
    expect(found([acquired(0, 1, 10, 5, 20), beside(4)])).toEqual([]);
    expect(found([acquired(0, 1, 10, 5, 20), beside(5)])).toEqual([['token-grows', 0, 1]]);
  });

  test('should take no token after a higher one was taken; one that was refused, failed or is in doubt proves nothing', () => {
    const used = (id: number, token: number, at: number, output: unknown = true, outcome?: Operation['outcome']) =>
      op(id, id, 'use', { token }, at, at + 1, output, outcome);
    expect(found([used(0, 2, 10), used(1, 1, 20)])).toEqual([['fenced', 0, 1]]);
    expect(found([used(0, 2, 10), used(1, 1, 20, false)])).toEqual([]);
    expect(found([used(0, 2, 10, false), used(1, 1, 20)])).toEqual([]);
    expect(found([used(0, 2, 10, undefined, 'info'), used(1, 1, 20)])).toEqual([]);
    expect(found([used(0, 2, 10), used(1, 2, 20)])).toEqual([]);
  });

  test('should keep keys apart', () => {
    const of = (key: string, operation: Operation): Operation => ({ ...operation, input: { key } });
    expect(found([of('x', acquired(0, 1, 10, 1, 50)), of('y', acquired(1, 2, 40, 1, 90))])).toEqual([]);
    expect(found([of('x', acquired(0, 1, 10, 1, 50)), of('x', acquired(1, 2, 40, 2, 90))])).toHaveLength(1);
  });

  test('should name an operation that is none of a lease', () => {
    expect(() => checkLeases([op(3, 0, 'lock', undefined, 0, 1)])).toThrow('operation 3: a lease knows acquire');
    expect(() => checkLeases([op(3, 0, 'acquire', undefined, 0, 1, 'yes')])).toThrow(
      'operation 3: expected the answer of acquire',
    );
    expect(() => checkLeases([op(3, 0, 'use', {}, 0, 1, true)])).toThrow(
      'operation 3: expected the input of use to have a token',
    );
  });
});

/** Whether this acquire's process can be sure at this moment that it has the lease: asked of each moment anew. */
function isSure(acquire: Operation, operations: readonly Operation[], moment: number, clockErrorMs: number): boolean {
  const { token, untilMs } = acquire.output as { token: number; untilMs: number };
  if (moment < acquire.completedOrder) return false;
  const isMine = ({ input }: Operation) => (input as { token?: number } | undefined)?.token === token;
  const mayHaveEndedBy = (order: number) =>
    operations.some((one) => {
      if (one.invokedOrder > order) return false;
      const isTold = one.invokedOrder > acquire.completedOrder;
      const mayComeAfter =
        one.outcome === 'info' || (one.outcome === 'ok' && one.completedOrder > acquire.invokedOrder);
      if (one.f === 'expire') return mayComeAfter;
      if (one.f === 'release') return isMine(one) && (isTold || mayComeAfter);
      return one.f === 'renew' && isMine(one) && one.outcome === 'ok' && one.output === null && mayComeAfter;
    });
  if (mayHaveEndedBy(moment)) return false;
  let until = untilMs - clockErrorMs;
  for (const one of [...operations].sort((a, b) => a.invokedOrder - b.invokedOrder)) {
    if (one.f !== 'renew' || !isMine(one) || one.outcome !== 'ok' || one.output === null) continue;
    if (one.invokedOrder < acquire.completedOrder || one.invokedAt >= until || one.completedAt > until) continue;
    // What has ended is not made shorter by a renewal that came later.
    if (mayHaveEndedBy(one.invokedOrder)) continue;
    until = (one.output as { untilMs: number }).untilMs - clockErrorMs;
  }
  // A lease that had run out when its holder heard of it was none.
  return untilMs - clockErrorMs > acquire.completedAt && moment < until;
}

test('the dumb twin: should agree with asking everybody at every moment, and with comparing every pair of tokens', () => {
  const token = fc.integer({ min: 1, max: 4 });
  const until = fc.integer({ min: 20, max: 300 });
  const kinds = fc.oneof(
    { weight: 4, arbitrary: fc.record({ token, untilMs: until }).map((output) => ({ f: 'acquire', output })) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(
          token,
          fc.option(
            until.map((untilMs) => ({ untilMs })),
            { nil: null },
          ),
        )
        .map(([one, output]) => ({ f: 'renew', input: { token: one }, output })),
    },
    { weight: 1, arbitrary: token.map((one) => ({ f: 'release', input: { token: one }, output: true })) },
    {
      weight: 3,
      arbitrary: fc.tuple(token, fc.boolean()).map(([one, output]) => ({ f: 'use', input: { token: one }, output })),
    },
    { weight: 1, arbitrary: fc.constant({ f: 'expire', output: true }) },
  );
  const counts = { 'lease-exclusive': 0, 'token-grows': 0, fenced: 0, fine: 0 };
  fc.assert(
    fc.property(drawnHistories(kinds, 8), fc.nat(20), (operations, clockErrorMs) => {
      const acquires = operations.filter(({ f, outcome }) => f === 'acquire' && outcome === 'ok');
      let overlap = false;
      for (let moment = 0.5; moment < 400; moment++) {
        const sure = acquires.filter((acquire) => isSure(acquire, operations, moment, clockErrorMs));
        if (new Set(sure.map(({ process }) => process)).size > 1) overlap = true;
      }
      const tokens = (
        chosen: readonly Operation[],
        of: (operation: Operation) => number,
        isWrong: (earlier: number, later: number, beside: boolean) => boolean,
      ) =>
        chosen.some((a) =>
          chosen.some(
            (b) =>
              a !== b && b.completedOrder >= a.invokedOrder && isWrong(of(a), of(b), b.invokedOrder < a.completedOrder),
          ),
        );
      const grows = tokens(
        acquires,
        ({ output }) => (output as { token: number }).token,
        (a, b, beside) => (beside ? a === b : b <= a),
      );
      const uses = operations.filter(({ f, outcome, output }) => f === 'use' && outcome === 'ok' && output === true);
      const isFenced = tokens(
        uses,
        ({ input }) => (input as { token: number }).token,
        (a, b, beside) => !beside && b < a,
      );
      const own = new Set(checkLeases(operations, { clockErrorMs }).map(({ check }) => check));
      const expected: (keyof typeof counts)[] = [];
      if (overlap) expected.push('lease-exclusive');
      if (grows) expected.push('token-grows');
      if (isFenced) expected.push('fenced');
      expect([...own].sort()).toEqual([...expected].sort());
      for (const check of expected) counts[check]++;
      if (own.size === 0) counts.fine++;
    }),
    { numRuns: 2_000 },
  );
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(10);
});

test('the lock model as a twin: what it can put in order is no violation', () => {
  const token = fc.integer({ min: 1, max: 3 });
  const grant = fc.option(token, { nil: null }).map((output) => ({ f: 'acquire', output }));
  const kinds = fc.oneof(
    { weight: 4, arbitrary: grant },
    {
      weight: 3,
      arbitrary: fc
        .tuple(fc.constantFrom('release', 'use'), token, fc.boolean())
        .map(([f, one, output]) => ({ f, input: { token: one }, output })),
    },
    { weight: 2, arbitrary: fc.constant({ f: 'expire', output: true }) },
  );
  const counts = { linearizable: 0, shared: 0, 'lease-exclusive': 0 };
  fc.assert(
    fc.property(drawnHistories(kinds, 7), (operations) => {
      const isLinearizable = checkLinearizability(operations, lockModel).verdict === 'linearizable';
      const checks = checkLeases(operations).map(({ check }) => check);
      if (isLinearizable) expect(checks).toEqual([]);
      const holders = operations.filter(
        ({ f, outcome, output }) => f === 'acquire' && outcome === 'ok' && output !== null,
      );
      if (isLinearizable) counts.linearizable++;
      if (isLinearizable && holders.length > 1) counts.shared++;
      if (checks.includes('lease-exclusive')) counts['lease-exclusive']++;
    }),
    { numRuns: 6_000 },
  );
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(50);
});
