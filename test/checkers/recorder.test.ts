import { expect, test } from 'vitest';
import { createHistory, historyFromNdjson, historyToNdjson } from '../../src/checkers/recorder.ts';

function recorded() {
  let now = 10;
  const history = createHistory<string, number>(() => now);
  const first = history.invoke({ process: 1, f: 'assert', input: 'a', node: 'stemedb-1' });
  now = 12;
  const second = history.invoke({ process: 2, f: 'assert', input: 'b' });
  now = 15;
  first.ok(7);
  second.fail({ code: 'READ_ONLY', message: 'no space', status: 507 });
  history.invoke({ process: 1, f: 'assert', input: 'c' });
  return history;
}

test('should record times, a total order and the outcome that was told', () => {
  const [first, second, third] = recorded().operations;
  expect(first).toMatchObject({ id: 0, invokedAt: 10, completedAt: 15, invokedOrder: 0, completedOrder: 2, output: 7 });
  expect(second).toMatchObject({ outcome: 'fail', completedOrder: 3, error: { code: 'READ_ONLY' } });
  expect(third).toMatchObject({ outcome: 'info', completedAt: Number.POSITIVE_INFINITY });
});

test('should survive being written and read as NDJSON, unanswered operations included', () => {
  const { operations } = recorded();
  expect(historyFromNdjson(historyToNdjson(operations))).toEqual(operations);
});

test('should name the line that is not an operation', () => {
  const text = historyToNdjson(recorded().operations);
  expect(() => historyFromNdjson(`${text}{"id":1}\n`)).toThrow(/history line 4: expected an operation/);
  expect(() => historyFromNdjson(`${text}{`)).toThrow(/history line 4: not JSON/);
});

test('should refuse an answer before its call, or without its place in the order', () => {
  const line = { id: 3, process: 0, f: 'get', outcome: 'ok', invokedAt: 1, invokedOrder: 5, completedAt: 2 };
  expect(() => historyFromNdjson(JSON.stringify({ ...line, completedOrder: 4 }))).toThrow(
    'history line 1: operation 3 has its answer (order 4) before its call (order 5)',
  );
  expect(() => historyFromNdjson(JSON.stringify(line))).toThrow('operation 3 is ok, but has no completedOrder');
});

test('should refuse a client that does two things at once, or an answer that comes twice', () => {
  const history = createHistory(() => 0);
  const pending = history.invoke({ process: 1, f: 'get', input: 'x' });
  expect(() => history.invoke({ process: 1, f: 'get', input: 'y' })).toThrow(/while its last operation is under way/);
  pending.ok(1);
  expect(() => pending.info()).toThrow(/completed twice/);
});
