import fc from 'fast-check';
import type { Operation } from '../../src/checkers/history.ts';

/** What an operation is, and what it would answer. */
export interface Drawn {
  readonly f: string;
  readonly input?: unknown;
  readonly output?: unknown;
}

/**
 * Histories of operations of these kinds at random places in time, of up to four clients, which do one thing at a time. An `info`
 * has its time-out in the history, after which its effect may still come: that is what `info` means.
 */
export function drawnHistories(kinds: fc.Arbitrary<Drawn>, maxLength = 8): fc.Arbitrary<Operation[]> {
  const outcome = fc.constantFrom(
    'ok' as const,
    'ok' as const,
    'ok' as const,
    'ok' as const,
    'info' as const,
    'fail' as const,
  );
  const line = fc.record({
    kind: kinds,
    outcome,
    process: fc.integer({ min: 0, max: 3 }),
    gap: fc.integer({ min: 1, max: 40 }),
  });
  return fc.array(line, { minLength: 1, maxLength }).chain((lines) =>
    fc.infiniteStream(fc.integer({ min: 1, max: 60 })).map((lengths) => {
      const freeAt = new Map<number, number>();
      const taken = new Set<number>();
      let now = 0;
      /** Orders never tie. */
      const place = (wanted: number): number => {
        let order = wanted;
        while (taken.has(order)) order++;
        taken.add(order);
        return order;
      };
      return lines.map(({ kind, outcome: end, process, gap }, id): Operation => {
        now = Math.max(now + gap, (freeAt.get(process) ?? 0) + 1);
        const invoked = place(now);
        const completed = place(invoked + (lengths.next().value ?? 1));
        freeAt.set(process, completed);
        now = invoked;
        return {
          id,
          process: end === 'info' ? process + 100 * (id + 1) : process,
          f: kind.f,
          input: kind.input,
          outcome: end,
          invokedAt: invoked,
          invokedOrder: invoked,
          completedAt: completed,
          completedOrder: completed,
          ...(end === 'ok' ? { output: kind.output } : {}),
        };
      });
    }),
  );
}
