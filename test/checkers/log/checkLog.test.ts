import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { Operation } from '../../../src/checkers/history.ts';
import { checkLog, type LogAnomaly, logAnomalies } from '../../../src/checkers/log/checkLog.ts';
import type { LogRecord, LogStep, LogTransaction } from '../../../src/checkers/log/operations.ts';
import { createHistory } from '../../../src/checkers/recorder.ts';

type Line =
  | readonly [process: number, outcome: 'ok' | 'fail' | 'info', ...steps: LogStep[]]
  | readonly [
      process: number,
      assign: { readonly keys: string[]; readonly seekToBeginning?: boolean },
      outcome?: 'ok' | 'fail' | 'info',
    ];

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

/**
 * A history of operations one after the other. The steps are what came of them: what was asked has neither offsets nor records. What
 * failed or is in doubt has an answer only where it has something to say.
 */
function history(lines: readonly Line[]): Operation[] {
  const recorder = createHistory(() => 0);
  for (const [process, what, ...rest] of lines) {
    const error = { code: 'X', message: 'for the test' };
    if (typeof what === 'object') {
      const pending = recorder.invoke({ process, f: 'assign', input: what });
      const [outcome = 'ok'] = rest as ['ok' | 'fail' | 'info'] | [];
      if (outcome === 'ok') pending.ok(what);
      else pending[outcome](error);
      continue;
    }
    const steps = rest as LogStep[];
    const asked = steps.map((step) => (step.kind === 'send' ? send(step.key, Number(step.value)) : poll('x')));
    const pending = recorder.invoke({ process, f: 'txn', input: asked });
    if (what === 'ok') pending.ok(steps);
    else {
      const says = steps.some((step) => step.kind === 'poll' || step.offset !== undefined);
      pending[what](error, says ? steps : undefined);
    }
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
    [0, 'info', send('x', 1), send('y', 1)],
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

  it('should say of a transaction in doubt that it is torn only when the rest of it must have been seen', () => {
    const torn = bad['torn-transaction'];
    expect(checksOf(torn, { polledToEnd: false })).toEqual([]);
    // The offset is known from a partial answer: passed over is lost, whoever polls on.
    const [, sent, polled] = torn as readonly [Line, Line, Line];
    const partly: Line = [0, 'info', send('x', 1), send('y', 1, 0)];
    expect(checksOf([partly, sent, polled], { polledToEnd: false })).toEqual(['lost-write', 'torn-transaction']);
    // Nobody saw any of it: it may never have been committed, and its offset proves nothing.
    expect(checksOf([partly, sent, [2, 'ok', poll('y', [1, 2])]])).toEqual([]);
    expect(
      checksOf([
        [0, 'info', send('x', 1), send('y', 1)],
        [2, 'ok', poll('x', [0, 1]), poll('y', [0, 1])],
      ]),
    ).toEqual([]);
  });

  it('should leave positions alone where a transaction that polled did not commit', () => {
    const [sent, seen, first] = bad['poll-skip'] as readonly [Line, Line, Line, Line];
    for (const outcome of ['fail', 'info'] as const) {
      const aborted: Line = [2, outcome, poll('x', [1, 2])];
      expect(checksOf([sent, seen, first, aborted, [2, 'ok', poll('x', [1, 2])]])).toEqual([]);
      expect(checksOf([sent, seen, first, aborted, [2, 'ok', poll('x', [2, 3])]])).toEqual(['poll-skip']);
      expect(checksOf([sent, seen, first, [2, outcome, poll('x', [2, 3])]])).toEqual(['poll-skip']);
    }
  });

  it('should take what an aborted transaction polled for committed, and not for seen', () => {
    const sent: Line = [0, 'ok', send('x', 1, 0)];
    expect(checksOf([sent, [1, 'fail', poll('x', [0, 2])], [2, 'ok', poll('x', [0, 1])]])).toEqual([
      'inconsistent-offsets',
    ]);
    expect(checksOf([sent, [1, 'info', poll('x', [0, 1])]])).toEqual(['unseen']);
    expect(
      checksOf([
        [0, 'fail', send('x', 1)],
        [1, 'fail', poll('x', [0, 1])],
      ]),
    ).toEqual([]);
  });

  it('should forget positions of keys that an assignment in doubt may have taken away', () => {
    const [sent, seen, first, later] = bad['poll-skip'] as readonly [Line, Line, Line, Line];
    const away = (outcome: 'info' | 'fail'): Line => [2, { keys: ['y'] }, outcome];
    expect(checksOf([sent, seen, first, away('info'), later])).toEqual([]);
    expect(checksOf([sent, seen, first, away('fail'), later])).toEqual(['poll-skip']);
  });

  it('should excuse within a transaction what a rebalance touched', () => {
    for (const anomaly of ['int-poll-skip', 'int-nonmonotonic-poll'] as const) {
      const operations = history(bad[anomaly]);
      const told = (keys: readonly string[]) =>
        operations.map((operation, at) =>
          at < operations.length - 1
            ? operation
            : { ...operation, output: { steps: operation.output, rebalanceLog: [{ keys }] } },
        );
      expect(checkLog(told(['x']))).toEqual([]);
      expect(checkLog(told(['y']))).toMatchObject([{ check: anomaly }]);
    }
  });

  it('should know the place of a send without an answer from what was polled', () => {
    const sent: Line = [0, 'ok', send('x', 1, 1)];
    const polled: Line = [1, 'ok', poll('x', [0, 2], [1, 1])];
    expect(checksOf([sent, [0, 'info', send('x', 2)], polled])).toEqual(['nonmonotonic-send']);
    expect(checksOf([sent, [0, { keys: ['y'] }], [0, 'ok', send('x', 2, 0)], polled])).toEqual([]);
  });

  it('should hold a value at several places for passed over only behind the last of them', () => {
    const sent: Line = [0, 'ok', send('x', 1, 0)];
    const others: Line[] = [
      [1, 'ok', send('x', 2, 1)],
      [2, 'ok', poll('x', [1, 2])],
    ];
    expect(checksOf([sent, ...others, [3, 'fail', poll('x', [5, 1])]], { polledToEnd: false })).toEqual(['duplicate']);
  });

  it('should read operations and steps as Jepsen writes them', () => {
    const recorder = createHistory(() => 0);
    const done = (process: number, f: string, input: unknown, output: unknown = input) =>
      recorder.invoke({ process, f, input }).ok(output);
    done(
      0,
      'send',
      [
        ['send', 3, 'a'],
        ['send', 3, 'b'],
        ['send', 4, 'c'],
      ],
      [
        ['send', 3, [0, 'a']],
        ['send', 3, [null, 'b']],
        ['send', 4, 'c'],
      ],
    );
    done(1, 'assign', [3, 4]);
    done(1, 'crash', null);
    done(
      2,
      'poll',
      [['poll']],
      [
        [
          'poll',
          {
            3: [
              [0, 'a'],
              [1, 'b'],
            ],
            4: [[0, 'c']],
          },
        ],
      ],
    );
    expect(checkLog(recorder.operations)).toEqual([]);
    done(2, 'poll', [['poll']], [['poll', { 3: [[0, 'a']] }]]);
    expect(checkLog(recorder.operations)).toMatchObject([{ check: 'nonmonotonic-poll', operations: [3, 4] }]);
  });

  it.each([
    ['wombat', [], 'a log knows txn, send, poll, assign and subscribe, not wombat'],
    ['txn', 7, 'expected steps of a transaction, got 7'],
    ['txn', [['cas', 1, 2]], 'expected a step ["send", key, value]'],
    ['txn', [{ kind: 'send', key: 'x' }], 'expected a step { kind: "send"'],
    ['send', [['poll']], 'expected steps of send alone, got a poll'],
    ['poll', [['poll', { x: [[-1, 2]] }]], 'expected a record { offset, value }'],
    ['poll', { steps: [], rebalanceLog: 3 }, 'expected a rebalanceLog'],
    ['subscribe', 'x', 'expected a list of keys'],
  ])('should refuse a %s of %j', (f, value, complaint) => {
    const recorder = createHistory(() => 0);
    recorder.invoke({ process: 0, f, input: value }).ok(value);
    expect(() => checkLog(recorder.operations)).toThrow(complaint);
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
  const polled = steps.flatMap(({ operation, step }) =>
    step.kind === 'poll'
      ? Object.entries(step.records).flatMap(([key, records]) =>
          records.map((record) => ({ key, ...record, operation })),
        )
      : [],
  );
  const isSeen = (key: string, value: unknown) =>
    polled.some((fact) => fact.key === key && fact.value === value && fact.operation.outcome === 'ok');
  const sends = steps.flatMap(({ operation, step }) => (step.kind === 'send' ? [{ ...step, operation }] : []));
  const isCommitted = ({ outcome, id }: Operation) =>
    outcome === 'ok' ||
    (outcome === 'info' && sends.some((sent) => sent.operation.id === id && isSeen(sent.key, sent.value)));
  const told = [...polled, ...sends.filter((sent) => isCommitted(sent.operation))].flatMap(({ key, value, offset }) =>
    offset === undefined ? [] : [{ key, value, offset }],
  );
  const placesOf = (key: string, value: unknown) =>
    told.filter((fact) => fact.key === key && fact.value === value).map(({ offset }) => offset);
  for (const a of told) {
    for (const b of told) {
      if (a.key !== b.key) continue;
      if (a.offset === b.offset && a.value !== b.value) found.add(`inconsistent-offsets ${a.key} ${a.offset}`);
      if (a.offset !== b.offset && a.value === b.value) found.add(`duplicate ${a.key} ${a.value}`);
    }
  }
  for (const { operation, key, value } of sends) {
    if (operation.outcome === 'fail' && isSeen(key, value)) found.add(`aborted-read ${key} ${value}`);
    if (isSeen(key, value) || !isCommitted(operation)) continue;
    const places = placesOf(key, value);
    const passed =
      places.length > 0 &&
      told.some(
        (fact) =>
          fact.key === key && isSeen(key, fact.value) && Math.min(...placesOf(key, fact.value)) >= Math.max(...places),
      );
    if (passed) found.add(`lost-write ${key} ${value}`);
    else if (operation.outcome === 'ok') found.add(`unseen ${key} ${value}`);
    if (operation.outcome === 'info') found.add(`torn-transaction ${operation.id}`);
  }
  for (const [index, b] of polled.entries()) {
    const a = polled
      .slice(0, index)
      .findLast(
        ({ key, operation }) =>
          key === b.key &&
          operation.process === b.operation.process &&
          (operation === b.operation || operation.outcome === 'ok'),
      );
    if (a === undefined) continue;
    const prefix = a.operation === b.operation ? 'int-' : '';
    const between = told.some((fact) => fact.key === a.key && fact.offset > a.offset && fact.offset < b.offset);
    if (b.offset <= a.offset) found.add(`${prefix}nonmonotonic-poll ${a.key} ${a.offset} ${b.offset}`);
    else if (between) found.add(`${prefix}poll-skip ${a.key} ${a.offset} ${b.offset}`);
  }
  const placed = sends.flatMap((sent) => {
    const known = [...new Set(placesOf(sent.key, sent.value))];
    const offset = sent.offset ?? (known.length === 1 ? known[0] : undefined);
    return offset === undefined || sent.operation.outcome === 'fail' ? [] : [{ ...sent, offset }];
  });
  for (const [index, a] of placed.entries()) {
    const b = placed.find(
      (fact, later) => later > index && fact.key === a.key && fact.operation.process === a.operation.process,
    );
    if (b === undefined || b.offset > a.offset) continue;
    found.add(`${a.operation === b.operation ? 'int-' : ''}nonmonotonic-send ${a.key} ${a.offset} ${b.offset}`);
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
    fc.constantFrom('ok' as const, 'ok' as const, 'info' as const, 'fail' as const),
    fc.array(fc.oneof(aSend, aPoll), { minLength: 1, maxLength: 3 }),
    fc.boolean(),
  );
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      const operations = history(
        lines.map(([process, outcome, steps, isTold]): Line => {
          // What is not answered `ok` may have a partial answer, or none.
          const asked = steps.filter((step) => step.kind === 'send').map((step) => send(step.key, Number(step.value)));
          return [process, outcome, ...(outcome === 'ok' || isTold ? steps : asked)];
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
    { numRuns: 1_000 },
  );
  expect([...seen].sort()).toEqual([...logAnomalies].sort());
});
