import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { Operation } from '../../../src/checkers/history.ts';
import { checkLog, type LogAnomaly, logAnomalies } from '../../../src/checkers/log/checkLog.ts';
import type { LogRecord, LogStep, LogTransaction } from '../../../src/checkers/log/operations.ts';
import { createHistory } from '../../../src/checkers/recorder.ts';

type Line =
  | readonly [process: number, outcome: 'ok' | 'fail' | 'info', ...steps: LogStep[]]
  | readonly [process: number, assign: { readonly keys: string[]; readonly seekToBeginning?: boolean }];

const send = (key: string, value: number, offset?: number): LogStep => ({
  kind: 'send',
  key,
  value,
  ...(offset === undefined ? {} : { offset }),
});
const poll = (key: string, ...records: readonly (readonly [offset: number, value: number])[]): LogStep => ({
  kind: 'poll',
  records: { [key]: records.map(([offset, value]): LogRecord => ({ offset, value })) },
});

/** A history of operations one after the other. */
function history(lines: readonly Line[]): Operation[] {
  const recorder = createHistory(() => 0);
  for (const [process, what, ...steps] of lines) {
    if (typeof what === 'object') {
      recorder.invoke({ process, f: 'assign', input: what }).ok(what);
      continue;
    }
    const pending = recorder.invoke({ process, f: 'txn', input: steps });
    if (what === 'ok') pending.ok(steps);
    else pending[what]({ code: 'X', message: 'for the test' });
  }
  return [...recorder.operations];
}

function checksOf(lines: readonly Line[], options?: Parameters<typeof checkLog>[1]): string[] {
  return checkLog(history(lines), options).map((violation) => violation.check);
}

/** For each anomaly, a history that shows it and nothing else. */
const bad: Readonly<Record<LogAnomaly, readonly Line[]>> = {
  'inconsistent-offsets': [
    [0, 'ok', send('x', 1, 0)],
    [1, 'ok', poll('x', [0, 1])],
    [2, 'ok', poll('x', [0, 2])],
  ],
  duplicate: [
    [0, 'ok', send('x', 1, 0)],
    [1, 'ok', poll('x', [0, 1], [1, 1])],
  ],
  'lost-write': [
    [0, 'ok', send('x', 1, 0)],
    [0, 'ok', send('x', 2, 1)],
    [1, 'ok', poll('x', [1, 2])],
  ],
  unseen: [
    [0, 'ok', send('x', 1, 0)],
    [0, 'ok', send('x', 2, 1)],
    [1, 'ok', poll('x', [0, 1])],
  ],
  'aborted-read': [
    [0, 'fail', send('x', 1)],
    [1, 'ok', poll('x', [0, 1])],
  ],
  'torn-transaction': [
    [0, 'info', send('x', 1), send('y', 1, 0)],
    [1, 'ok', send('y', 2, 1)],
    [2, 'ok', poll('x', [0, 1]), poll('y', [1, 2])],
  ],
  'poll-skip': [
    [0, 'ok', send('x', 1, 0), send('x', 2, 1), send('x', 3, 2)],
    [1, 'ok', poll('x', [0, 1], [1, 2], [2, 3])],
    [2, 'ok', poll('x', [0, 1])],
    [2, 'ok', poll('x', [2, 3])],
  ],
  'int-poll-skip': [
    [0, 'ok', send('x', 1, 0), send('x', 2, 1), send('x', 3, 2)],
    [1, 'ok', poll('x', [0, 1], [1, 2], [2, 3])],
    [2, 'ok', poll('x', [0, 1]), poll('x', [2, 3])],
  ],
  'nonmonotonic-poll': [
    [0, 'ok', send('x', 1, 0), send('x', 2, 1)],
    [1, 'ok', poll('x', [0, 1], [1, 2])],
    [1, 'ok', poll('x', [0, 1])],
  ],
  'int-nonmonotonic-poll': [
    [0, 'ok', send('x', 1, 0), send('x', 2, 1)],
    [1, 'ok', poll('x', [0, 1], [1, 2], [1, 2])],
  ],
  'nonmonotonic-send': [
    [0, 'ok', send('x', 1, 1)],
    [0, 'ok', send('x', 2, 0)],
    [1, 'ok', poll('x', [0, 2], [1, 1])],
  ],
  'int-nonmonotonic-send': [
    [0, 'ok', send('x', 1, 1), send('x', 2, 0)],
    [1, 'ok', poll('x', [0, 2], [1, 1])],
  ],
};

describe('anomalies of a log', () => {
  it.each(logAnomalies)('should see %s, and only that', (anomaly) => {
    expect(checksOf(bad[anomaly])).toEqual([anomaly]);
  });

  it('should allow skips and steps back between transactions under subscribe, not within one', () => {
    const subscribed = { consumers: 'subscribe' } as const;
    expect(checksOf(bad['poll-skip'], subscribed)).toEqual([]);
    expect(checksOf(bad['nonmonotonic-poll'], subscribed)).toEqual([]);
    expect(checksOf(bad['int-poll-skip'], subscribed)).toEqual(['int-poll-skip']);
    expect(checksOf(bad['int-nonmonotonic-poll'], subscribed)).toEqual(['int-nonmonotonic-poll']);
    expect(checksOf(bad['lost-write'], subscribed)).toEqual(['lost-write']);
  });

  it('should excuse what is not seen yet, and duplicates of at-least-once, only where told', () => {
    expect(checksOf(bad.unseen, { polledToEnd: false })).toEqual([]);
    expect(checksOf(bad.duplicate, { duplicatesAllowed: true })).toEqual([]);
  });

  it('should begin anew with a key that was not assigned before, and after a seek', () => {
    const [sent, seen, first] = bad['poll-skip'] as readonly [Line, Line, Line, Line];
    const again: Line = [2, 'ok', poll('x', [2, 3])];
    expect(checksOf([sent, seen, first, [2, { keys: ['y'] }], [2, { keys: ['x'] }], again])).toEqual([]);
    expect(checksOf([sent, seen, first, [2, { keys: ['x'], seekToBeginning: true }], again])).toEqual([]);
    expect(checksOf([sent, seen, first, [2, { keys: ['x', 'y'] }], again])).toEqual(['poll-skip']);
  });

  it('should not take a gap that nobody knows of for a skip: markers of transactions have offsets', () => {
    expect(
      checksOf([
        [0, 'ok', send('x', 1, 0)],
        [0, 'ok', send('x', 2, 7)],
        [1, 'ok', poll('x', [0, 1], [7, 2])],
      ]),
    ).toEqual([]);
  });

  it('should take a value in doubt that was polled for written, and one that was not for nothing', () => {
    expect(
      checksOf([
        [0, 'info', send('x', 1)],
        [1, 'info', send('x', 2)],
        [2, 'ok', poll('x', [0, 1])],
      ]),
    ).toEqual([]);
  });
});

/** A log that does everything right, by a list of choices. */
function perfectRun(choices: readonly (readonly [number, number, number])[]): Operation[] {
  const logs = new Map<string, { offset: number; value: number }[]>([
    ['x', []],
    ['y', []],
  ]);
  const positions = new Map<string, number>();
  const lines: Line[] = [];
  let value = 0;
  for (const [process, what, many] of choices) {
    const steps: LogStep[] = [];
    const outcome = what === 5 ? 'fail' : what === 6 ? 'info' : 'ok';
    for (let n = 0; n <= many; n++) {
      const key = (what + n) % 2 === 0 ? 'x' : 'y';
      const log = logs.get(key) ?? [];
      if (what % 2 === 0 || outcome === 'fail') {
        value++;
        // An `info` with an odd number of steps did happen, and nobody was told the offset.
        const happened = outcome === 'ok' || (outcome === 'info' && many % 2 === 1);
        const offset = (log.at(-1)?.offset ?? -1) + 1 + (value % 3 === 0 ? 1 : 0);
        if (happened) log.push({ offset, value });
        steps.push(outcome === 'ok' ? send(key, value, offset) : send(key, value));
      } else {
        const at = positions.get(`${process} ${key}`) ?? 0;
        const records = log.slice(at, at + 1 + many);
        positions.set(`${process} ${key}`, at + records.length);
        steps.push({ kind: 'poll', records: { [key]: records } });
      }
    }
    lines.push([process, outcome, ...steps]);
  }
  lines.push([99, 'ok', { kind: 'poll', records: Object.fromEntries(logs) }]);
  return history(lines);
}

test('a log that does everything right has no anomaly', () => {
  const choice = fc.tuple(
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: 0, max: 6 }),
    fc.integer({ min: 0, max: 3 }),
  );
  fc.assert(
    fc.property(fc.array(choice, { maxLength: 60 }), (choices) => {
      expect(checkLog(perfectRun(choices))).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

/** The definitions once more, each as one question over all pairs of facts. */
function dumbTwin(operations: readonly Operation[]): Set<string> {
  const found = new Set<string>();
  const steps = operations.flatMap((operation) =>
    ((operation.output ?? operation.input) as LogTransaction).map((step) => ({ operation, step })),
  );
  const told = steps.flatMap(({ operation, step }) =>
    step.kind === 'poll'
      ? Object.entries(step.records).flatMap(([key, records]) =>
          records.map((record) => ({ key, ...record, polled: true, operation })),
        )
      : step.offset !== undefined && operation.outcome === 'ok'
        ? [{ key: step.key, offset: step.offset, value: step.value, polled: false, operation }]
        : [],
  );
  const polled = told.filter((fact) => fact.polled);
  for (const a of told) {
    for (const b of told) {
      if (a.key !== b.key) continue;
      if (a.offset === b.offset && a.value !== b.value) found.add(`inconsistent-offsets ${a.key} ${a.offset}`);
      if (a.offset !== b.offset && a.value === b.value) found.add(`duplicate ${a.key} ${a.value}`);
    }
  }
  for (const { operation, step } of steps) {
    if (step.kind !== 'send') continue;
    const seen = polled.some((fact) => fact.key === step.key && fact.value === step.value);
    const { offset } = step;
    const passed = offset !== undefined && polled.some((fact) => fact.key === step.key && fact.offset > offset);
    if (operation.outcome === 'fail' && seen) found.add(`aborted-read ${step.key} ${step.value}`);
    if (operation.outcome === 'ok' && !seen) found.add(`${passed ? 'lost-write' : 'unseen'} ${step.key} ${step.value}`);
  }
  for (const [index, a] of polled.entries()) {
    const b = polled.find(
      (fact, later) => later > index && fact.key === a.key && fact.operation.process === a.operation.process,
    );
    if (b === undefined) continue;
    const prefix = a.operation === b.operation ? 'int-' : '';
    const between = told.some((fact) => fact.key === a.key && fact.offset > a.offset && fact.offset < b.offset);
    if (b.offset <= a.offset) found.add(`${prefix}nonmonotonic-poll ${a.key} ${a.offset} ${b.offset}`);
    else if (between) found.add(`${prefix}poll-skip ${a.key} ${a.offset} ${b.offset}`);
  }
  const sends = steps.flatMap(({ operation, step }) =>
    step.kind === 'send' && step.offset !== undefined && operation.outcome === 'ok'
      ? [{ key: step.key, value: step.value, offset: step.offset, operation }]
      : [],
  );
  for (const [index, a] of sends.entries()) {
    const b = sends.find(
      (fact, later) => later > index && fact.key === a.key && fact.operation.process === a.operation.process,
    );
    if (b === undefined || b.offset > a.offset) continue;
    found.add(`${a.operation === b.operation ? 'int-' : ''}nonmonotonic-send ${a.key} ${a.offset} ${b.offset}`);
  }
  const isSeen = (key: string, value: unknown) => polled.some((fact) => fact.key === key && fact.value === value);
  for (const operation of new Set(sends.map((fact) => fact.operation))) {
    const own = sends.filter((fact) => fact.operation === operation);
    const one = own.some(({ key, value }) => isSeen(key, value));
    const other = own.some(
      ({ key, value, offset }) =>
        !isSeen(key, value) && polled.some((fact) => fact.key === key && fact.offset > offset),
    );
    if (one && other) found.add(`torn-transaction ${operation.id}`);
  }
  return found;
}

test('the checks agree with their definitions on histories of noise', () => {
  const key = fc.constantFrom('x', 'y');
  const small = fc.integer({ min: 0, max: 5 });
  const aSend = fc.record({ kind: fc.constant('send' as const), key, value: small, offset: small });
  const aPoll = fc
    .tuple(key, fc.array(fc.record({ offset: small, value: small }), { maxLength: 3 }))
    .map(([of, records]): LogStep => ({ kind: 'poll', records: { [of]: records } }));
  const line = fc.tuple(
    fc.integer({ min: 0, max: 2 }),
    fc.constantFrom('ok' as const, 'fail' as const),
    fc.array(fc.oneof(aSend, aPoll), { minLength: 1, maxLength: 3 }),
  );
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      const operations = history(
        lines.map(([process, outcome, steps]): Line => {
          // What failed was told no offsets and polled nothing.
          const asked = steps.filter((step) => step.kind === 'send').map((step) => send(step.key, Number(step.value)));
          return outcome === 'ok' ? [process, 'ok', ...steps] : [process, 'fail', ...asked];
        }),
      );
      const named = checkLog(operations).map(({ check, evidence, operations: ids }) => {
        if (check === 'torn-transaction') return `${check} ${ids?.[0]}`;
        const { key: of, offset, value, from, to } = evidence as Record<string, unknown>;
        return [
          check,
          of,
          ...(check === 'inconsistent-offsets' ? [offset] : from === undefined ? [value] : [from, to]),
        ].join(' ');
      });
      expect(new Set(named)).toEqual(dumbTwin(operations));
      for (const name of named) seen.add(name.split(' ')[0] ?? '');
    }),
    { numRuns: 500 },
  );
  expect([...seen].sort()).toEqual([...logAnomalies].sort());
});
