import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Operation } from '../../src/checkers/history.ts';
import {
  checkSessions,
  type SessionBreak,
  type SessionGuarantee,
  sessionGuarantees,
} from '../../src/checkers/versions.ts';
import { drawnHistories } from './drawn.ts';
import { op } from './histories.ts';

const done = (id: number, f: 'read' | 'write', version: number, process = 1, key = 'x') =>
  op(id, process, f, { key }, 10 * id, 10 * id + 1, { version });

/** For each guarantee, a history that breaks it and no other. */
const bad: Readonly<Record<SessionGuarantee, readonly Operation[]>> = {
  'monotonic-reads': [done(0, 'read', 2), done(1, 'read', 1)],
  'read-your-writes': [done(0, 'write', 2), done(1, 'read', 1)],
  'monotonic-writes': [done(0, 'write', 2), done(1, 'write', 1)],
  'writes-follow-reads': [done(0, 'read', 2), done(1, 'write', 2)],
};

describe('session guarantees', () => {
  test.each(sessionGuarantees)('should see broken %s, and only that, with the two operations', (guarantee) => {
    expect(checkSessions(bad[guarantee])).toMatchObject([
      { check: guarantee, operations: [0, 1], evidence: { key: 'x', before: 2 } },
    ]);
    expect(
      checkSessions(bad[guarantee], { guarantees: sessionGuarantees.filter((name) => name !== guarantee) }),
    ).toEqual([]);
  });

  test('should bind an operation by what its session had been told before it began, not by what ran beside it', () => {
    const write = (to: number) => op(0, 1, 'write', { key: 'x' }, 0, to, { version: 2 });
    const read = op(1, 2, 'read', { key: 'x' }, 1, 2, { version: 1 });
    expect(checkSessions([write(10), read], { sessionOf: () => 'node' })).toEqual([]);
    expect(checkSessions([write(0.5), read], { sessionOf: () => 'node' })).toHaveLength(1);
  });

  test('should keep sessions and keys apart', () => {
    expect(checkSessions([done(0, 'read', 2, 1), done(1, 'read', 1, 2)])).toEqual([]);
    expect(checkSessions([done(0, 'read', 2, 1, 'x'), done(1, 'read', 1, 1, 'y')])).toEqual([]);
    expect(checkSessions([done(0, 'read', 2, 1), done(1, 'read', 1, 2)], { sessionOf: () => 'both' })).toHaveLength(1);
  });

  test('should bind nobody by an operation that failed or is in doubt', () => {
    for (const outcome of ['fail', 'info'] as const) {
      const write = op(0, 1, 'write', { key: 'x' }, 0, 1, undefined, outcome);
      expect(checkSessions([write, done(1, 'read', 0)])).toEqual([]);
    }
  });

  test('should name an operation without a key or a version', () => {
    expect(() => checkSessions([op(3, 0, 'read', {}, 0, 1, { version: 1 })])).toThrow(
      'operation 3: expected input with a key',
    );
    expect(() => checkSessions([op(3, 0, 'read', { key: 'x' }, 0, 1, 7)])).toThrow(
      'operation 3: expected an answer with a version',
    );
    expect(() => checkSessions([op(3, 0, 'cas', { key: 'x' }, 0, 1, 7)])).toThrow(
      'operation 3: sessions know read and write, not cas',
    );
  });
});

test('the dumb twin: should agree with comparing every pair of a session', () => {
  const kinds = fc.record({
    f: fc.constantFrom('read', 'write'),
    input: fc.record({ key: fc.constantFrom('x', 'y') }),
    output: fc.record({ version: fc.nat(4) }),
  });
  const broken = new Map<string, number>();
  // Several processes in one session: its operations run side by side, too.
  const sessionOf = ({ process }: Operation) => process % 2;
  fc.assert(
    fc.property(drawnHistories(kinds, 10), (operations) => {
      const expected = new Set<string>();
      for (const a of operations) {
        for (const b of operations) {
          if (
            sessionOf(a) !== sessionOf(b) ||
            a.completedOrder >= b.invokedOrder ||
            a.outcome !== 'ok' ||
            b.outcome !== 'ok'
          )
            continue;
          const [from, to] = [a.input as { key: string }, b.input as { key: string }];
          if (from.key !== to.key) continue;
          const [before, after] = [
            (a.output as { version: number }).version,
            (b.output as { version: number }).version,
          ];
          if (a.f === 'read' && b.f === 'read' && after < before) expected.add(`monotonic-reads ${b.id}`);
          if (a.f === 'write' && b.f === 'read' && after < before) expected.add(`read-your-writes ${b.id}`);
          if (a.f === 'write' && b.f === 'write' && after <= before) expected.add(`monotonic-writes ${b.id}`);
          if (a.f === 'read' && b.f === 'write' && after <= before) expected.add(`writes-follow-reads ${b.id}`);
        }
      }
      const found = checkSessions(operations, { sessionOf });
      expect(new Set(found.map(({ check, operations: ids }) => `${check} ${ids?.[1]}`))).toEqual(expected);
      for (const { check, evidence } of found) {
        broken.set(check, (broken.get(check) ?? 0) + 1);
        expect((evidence as SessionBreak).after).toBeLessThanOrEqual((evidence as SessionBreak).before);
      }
    }),
    { numRuns: 1_000 },
  );
  for (const guarantee of sessionGuarantees) expect(broken.get(guarantee)).toBeGreaterThan(20);
});
